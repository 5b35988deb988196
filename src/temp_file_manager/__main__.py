"""``python -m temp_file_manager``: the command line."""

import sys

from temp_file_manager.cli import main

if __name__ == "__main__":
    sys.exit(main())
