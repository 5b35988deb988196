"""Putting files on record, creating them and holding them."""
