"""``python -m aiecs.tools.temp_file_manager``: the command line, where no command means ``run``."""

import os
import sys

from temp_file_manager.cli import main

if __name__ == "__main__":
    os.environ.setdefault("TEMP_FILE_BASE_DIR", "/tmp/aiecs_temp")  # noqa: S108 - the specification's
    sys.exit(main(default="run"))
