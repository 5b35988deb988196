"""``python -m aiecs.tools.temp_file_manager``: the command line, where no command means ``run``."""

import sys

from temp_file_manager.cli import main

if __name__ == "__main__":
    sys.exit(main(default="run", base="/tmp/aiecs_temp"))  # noqa: S108 - the base that the specification names
