"""Addresses: one object has one name, no name means two, and no password is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.objects.address import LONGEST_KEY, ObjectName, location, object_name, read

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
WORDS = st.text(st.characters(min_codepoint=35, max_codepoint=126), max_size=40)


@given(KEYS, WORDS, WORDS)
def test_a_name_is_read_as_it_was_written(key: str, etag: str, version: str) -> None:
    name = ObjectName("bucket", key, etag, version)
    assert read(name.text) == name


@given(KEYS, KEYS)
def test_two_keys_have_two_names(one: str, other: str) -> None:
    assert (ObjectName("bucket", one).text == ObjectName("bucket", other).text) is (one == other)


def test_a_key_is_taken_as_it_stands() -> None:
    assert object_name("s3://bucket/a b#1%20/../c?", '"abc"').key == "a b#1%20/../c?"
    assert object_name("s3://bucket/key", '"abc"').text == "s3://bucket/key#etag=abc"
    assert object_name("s3://bucket/key", version="v/1").text == "s3://bucket/key#version=v%2F1"


@pytest.mark.parametrize(
    "url", ["", "bucket/key", "s3:/bucket/key", "s3://", "s3:///key", "s3://b", "http://bucket/key", "s3://bucket\n/a"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="write s3://BUCKET/KEY"):
        object_name(url)


def test_no_password_is_shown() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        location("s3://somebody:hunter2@bucket/key")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("etag", ['W/"abc"', "", '""', 'a"b', "a\nb", "é"])
def test_an_etag_that_is_none(etag: str) -> None:
    with pytest.raises(InvalidArgumentError):
        object_name("s3://bucket/key", etag)


def test_a_bucket_is_no_object() -> None:
    with pytest.raises(InvalidArgumentError, match="names a bucket, and no object in it"):
        object_name("s3://bucket")


def test_the_longest_key() -> None:
    assert location("s3://bucket/" + "é" * (LONGEST_KEY // 2)).key
    with pytest.raises(InvalidArgumentError, match="1026 bytes"):
        location("s3://bucket/" + "é" * (LONGEST_KEY // 2 + 1))
    with pytest.raises(InvalidArgumentError, match="UTF-8"):
        location("s3://bucket/\udc80")


@pytest.mark.parametrize("text", ["s3://bucket", "s3://bucket/", "s3://bucket/key#what=1", "/a/file"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(InvalidArgumentError):
        read(text)
