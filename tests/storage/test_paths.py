"""Paths as they are given: what is at one that is no regular file."""

import os
from pathlib import Path

import pytest

from temp_file_manager.storage.paths import absolute, why_not_regular


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("directory", "it is a directory"),
        ("pipe", "it is a pipe"),
        ("missing", "No such file or directory"),
        ("a\0b", "the path holds a NUL character"),
        ("\ud800", "no file name can hold such characters"),
        (".temp-file-manager/x", "it is one of this package's own files"),
    ],
)
def test_what_is_no_regular_file_is_called_by_its_kind(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert why_not_regular(f"{tmp_path}/{name}") == why


@pytest.mark.parametrize(
    ("given", "path"),
    [("/", "/"), ("/a/b/", "/a/b"), ("/a/./b", "/a/b"), ("/a//b", "/a/b"), ("/a/../b", "/b"), ("/a/.b", "/a/.b")],
)
def test_paths_are_made_normal(given: str, path: str) -> None:
    assert absolute(given) == path
