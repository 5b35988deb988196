"""Managers and commands with objects: put on record, swept, explained, pinned, forgotten."""

import json
import time
from contextlib import closing
from pathlib import Path

import pytest

from command_line import tfm
from obedient_server import ObedientServer
from temp_file_manager import Settings, TempFileManager
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.events import Hook
from temp_file_manager.records import Kind, Status
from temp_file_manager.inspection.why import explain
from temp_file_manager.jobs import jobs, objects_job
from temp_file_manager.testing import FakeClock
