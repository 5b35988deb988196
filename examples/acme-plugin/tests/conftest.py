"""Failures in the contracts show their values."""

import pytest

pytest.register_assert_rewrite("temp_file_manager.testing")
