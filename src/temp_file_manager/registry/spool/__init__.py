"""Registering while the server of a registry is out of reach: a bounded file on a local disk, and its way there."""
