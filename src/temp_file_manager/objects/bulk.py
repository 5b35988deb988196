"""Sizes of requests, apart from what makes them: that takes long to import, and few have buckets."""

MOST = 250
"""Keys a request. Each counts as a write, of which a prefix may have 3,500 a second: larger ones are put off."""

LEAST = 10
"""Keys a request, where the server has put off whatever was larger."""
