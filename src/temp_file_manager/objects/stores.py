"""Stores: a client a bucket, and what its probe has found, for as long as the process lives."""

import os
import threading
from collections.abc import Callable

from temp_file_manager.forks import at_fork
from temp_file_manager.objects.client import Client
from temp_file_manager.objects.deletion import Pace
from temp_file_manager.objects.probe import Found, probe


class Store:
    """A bucket.

    Attributes:
        client: What makes requests to it.
        pace: How many keys go into a request.
        known: What a probe has found; None: none has been made, or could be.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.pace = Pace()
        self.known: Found | None = None
        self._renew()
        at_fork(self, Store._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    def found(self) -> Found:
        """Return what the bucket obeys, which is probed once.

        Raises:
            ObjectStoreUnavailableError: it does not answer.
        """
        with self._lock:
            if self.known is None or self.known.trouble:
                self.known = probe(self.client)
            return self.known


class Stores:
    """All buckets that a process has to do with.

    Args:
        make: Returns the client of a bucket.
    """

    def __init__(self, make: Callable[[str], Client] = Client) -> None:
        self._make = make
        self._stores: dict[tuple[str, ...], Store] = {}

    def of(self, bucket: str) -> Store:
        """Return a bucket. The same name at another endpoint is another, whose probe says nothing about this one."""
        environ = os.environ
        names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_PROFILE")
        key = (bucket, *(environ.get(name, "") for name in names))
        found = self._stores.get(key)
        if found is None:  # two threads may make two: the one that is kept is the one that both get
            found = self._stores.setdefault(key, Store(self._make(bucket)))
        return found

    @property
    def throttled(self) -> int:
        """How often a server has put a request off."""
        return sum(store.client.throttled for store in list(self._stores.values()))


STORES = Stores()
"""Those of this process: a probe is made once for all managers in it."""
