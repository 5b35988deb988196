"""Expiring keys: objects whose names say when they expire, so that no database has to.

A key is ``PREFIX/2026-11-26T05:20/RANDOM``, or ``…/RANDOM-NAME``: the minute, in UTC, from which on it may go. A sweep
lists the minutes that have passed and deletes what is in them. No name ever comes back, so nothing can be put where it
deletes, to delete twice does no harm, and any number of sweepers may be at work.
"""

import os
import re
import secrets
import time
from calendar import timegm
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from temp_file_manager.arguments import seconds
from temp_file_manager.clock import Clock, SystemClock
from temp_file_manager.errors import InvalidArgumentError, ObjectStoreError
from temp_file_manager.objects import upload
from temp_file_manager.objects.address import LONGEST_KEY, Location, location
from temp_file_manager.objects.client import Client
from temp_file_manager.objects.deletion import ABSENT, Doomed, Pace, delete_many
from temp_file_manager.objects.listing import pages

_MINUTE = 60
_FORM = "%Y-%m-%dT%H:%M"
_MINUTES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d", re.ASCII)
_NAMES = re.compile(r"[0-9a-f]{32}(-[A-Za-z0-9._-]{1,100})?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
_LAST = timegm((9999, 12, 31, 23, 58, 0))
_AT_ONCE = 1000
REASONS = 20

Stop = Callable[[], bool]
"""Says whether to stop."""


@dataclass(frozen=True, slots=True)
class ExpiringReport:
    """What a sweep of expiring keys did, or with ``dry_run`` would do.

    Attributes:
        removed: Objects deleted; two sweepers that are at it together both count one.
        failed: Objects that the server has not deleted; the next sweep tries again.
        left: Keys in minutes that have passed that are not of our form: nobody touches them.
        reasons: What the server says of those that failed, with how many each.
        stopped: Why it ended before all was done: ``limit`` or ``stopped``; else empty.
        throttled: How often the server has asked for patience.
        dry_run: Whether nothing was changed.
    """

    removed: int = 0
    failed: int = 0
    left: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    stopped: str = ""
    throttled: int = 0
    dry_run: bool = False


class ExpiringKeys:
    """Makes keys that expire below a prefix, stores objects under them, and deletes those whose time has come.

    Args:
        url: ``s3://BUCKET/PREFIX``.
        clock: What tells the time.
        client: What makes requests; made from the environment's variables if None.

    Raises:
        InvalidArgumentError: ``url`` names no bucket.
    """

    def __init__(self, url: str, *, clock: Clock | None = None, client: Client | None = None) -> None:
        where = location(url)
        self._clock = clock or SystemClock()
        self._bucket = where.bucket
        self._prefix = where.key.strip("/") + "/" if where.key.strip("/") else ""
        self.client = client or Client(where.bucket)
        self._ahead: float | None = None

    @property
    def url(self) -> str:
        """The place of the keys."""
        return Location(self._bucket, self._prefix).url.rstrip("/")

    def key(self, ttl: float, name: str = "") -> str:
        """Return a key for an object that may go ``ttl`` seconds from now, or up to a minute later; asks nobody.

        Args:
            ttl: Seconds.
            name: What it is to end with: letters, digits, points, hyphens and underscores, at most 100.

        Raises:
            InvalidArgumentError: one of them cannot be.
        """
        if name and not _NAME.fullmatch(name):
            raise InvalidArgumentError(
                f"{name!r} cannot be the end of a key: give up to 100 of the characters A-Z a-z 0-9 . _ -"
            )
        end = self._clock.wall() + (self._ahead or 0.0) + seconds("ttl", ttl)
        if end > _LAST:
            raise InvalidArgumentError(f"ttl is {ttl!r}: give one that ends before the year 10000")
        minute = time.strftime(_FORM, time.gmtime(-(-end // _MINUTE) * _MINUTE))
        key = f"{self._prefix}{minute}/{secrets.token_hex(16)}{'-' + name if name else ''}"
        if len(key.encode()) > LONGEST_KEY:
            raise InvalidArgumentError(f"a key of {len(key.encode())} bytes: S3 allows {LONGEST_KEY}")
        return key

    def put(self, what: str | os.PathLike[str] | bytes | BinaryIO, ttl: float, name: str | None = None) -> str:
        """Store a file or bytes under a key of its own, and return the ``s3://`` address.

        It is read and sent in parts of 16 MiB.

        Args:
            what: A path, bytes, or a file open for reading bytes.
            ttl: As in ``key``.
            name: As in ``key``; None: what the file is called, as far as a key may be.

        Raises:
            ObjectStoreError: the server refuses, or cannot be asked.
            OSError: the file cannot be read.
        """
        if isinstance(what, str | os.PathLike):
            path = os.fspath(what)
            called = re.sub(r"[^A-Za-z0-9._-]", "_", os.path.basename(path))[:100] if name is None else name
            with open(path, "rb") as file:
                return self.put(file, ttl, called)
        self._look_at_its_clock()
        key = self.key(ttl, name or "")
        if isinstance(what, bytes):
            upload.put(self.client, key, what)
        else:
            upload.put_file(self.client, key, what, upload.size_of(what))
        return Location(self._bucket, key).url

    def _look_at_its_clock(self) -> None:
        """Find out, once, how far the server's clock is ahead: by that the key has to live longer."""
        if self._ahead is None:
            moment = self.client.request("HEAD").moment
            self._ahead = 0.0 if moment is None else max(0.0, moment - self._clock.wall())

    def sweep(
        self, *, limit: int | None = None, stop: Stop = lambda: False, dry_run: bool = False, pace: Pace | None = None
    ) -> ExpiringReport:
        """Delete the objects whose minute has passed, by this host's clock and by the server's.

        Args:
            limit: Objects to delete at most.
            stop: Asked between requests; True ends the sweep there.
            dry_run: Delete nothing, and report what would be.
            pace: How many keys go into a request.

        Raises:
            ObjectStoreError: the server refuses to list, or cannot be asked.
        """
        report = ExpiringReport(dry_run=dry_run)
        before, pace = self.client.throttled, pace or Pace()
        for keys, left in self._passed():
            report = replace(report, left=report.left + left)
            if stop():
                report = replace(report, stopped="stopped")
                break
            room = len(keys) if limit is None else limit - report.removed - report.failed
            report = self._delete(report, keys[:room], pace)
            if len(keys) > room:
                report = replace(report, stopped="limit")
                break
        return replace(report, throttled=self.client.throttled - before)

    def _delete(self, report: ExpiringReport, keys: list[str], pace: Pace) -> ExpiringReport:
        if report.dry_run:
            return replace(report, removed=report.removed + len(keys))
        codes = delete_many(self.client, [Doomed(key) for key in keys], pace) if keys else {}
        reasons = dict(report.reasons)
        failed = [code for code in codes.values() if code not in ABSENT]
        for code in failed:
            if code in reasons or len(reasons) < REASONS:
                reasons[code] = reasons.get(code, 0) + 1
        return replace(
            report,
            removed=report.removed + len(keys) - len(failed),
            failed=report.failed + len(failed),
            reasons=tuple(reasons.items()),
        )

    def _passed(self) -> Iterator[tuple[list[str], int]]:
        """Yield the keys of the minutes that have passed, some at a time, each with how many others there are."""
        for minute in self._minutes():
            begin = f"{self._prefix}{minute}/"
            for page in pages(self.client, begin):
                ours = [key for key in page.keys if key.startswith(begin) and _NAMES.fullmatch(key, len(begin))]
                left = len(page.keys) - len(ours)
                for first in range(0, len(ours), _AT_ONCE):
                    yield ours[first : first + _AT_ONCE], left if first == 0 else 0
                if not ours:
                    yield [], left

    def _minutes(self) -> Iterator[str]:
        """Yield the minutes that have passed, in order."""
        for page in pages(self.client, self._prefix, delimiter="/"):
            if page.moment is None:
                raise ObjectStoreError(f"{self.url} cannot be swept: its server does not tell the time")
            now = min(self._clock.wall(), page.moment)
            for prefix in page.prefixes:
                minute = prefix.removeprefix(self._prefix).removesuffix("/")
                moment = _moment(minute)
                if moment is None or prefix != f"{self._prefix}{minute}/":
                    continue
                if moment > now:  # the listing is in their order
                    return
                yield minute


def _moment(minute: str) -> float | None:
    """Return when a minute begins, seconds since the epoch; None if it is none."""
    if not _MINUTES.fullmatch(minute):
        return None
    try:
        found = float(timegm(time.strptime(minute, _FORM)))
    except ValueError:
        return None
    return found if time.strftime(_FORM, time.gmtime(found)) == minute else None
