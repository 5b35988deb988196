"""``python -m aiecs.tools.temp_file_manager``: the command line; without a command ``run``, as the specification has it."""

import sys

from temp_file_manager.cli import main

if __name__ == "__main__":
    sys.exit(main(default="run"))
