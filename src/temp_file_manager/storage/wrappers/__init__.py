"""Storages around a storage, each for one guarantee; ``storage.build`` composes them."""
