"""What every test file shares."""

import pytest

# Before anything imports it: its assertions are part of the tests.
pytest.register_assert_rewrite("temp_file_manager.testing")
