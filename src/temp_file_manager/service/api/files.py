"""``/v1/files`` and ``/v1/sweep``: what is on record, and everything that changes it."""

import asyncio
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable

from msgspec import UNSET
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from temp_file_manager.inspection import describe
from temp_file_manager.inspection.patience import Patience
from temp_file_manager.inspection.prospects import records_of
from temp_file_manager.inspection.why import why
from temp_file_manager.manager import TempFileManager
from temp_file_manager.records import Selection, Status, TempFile
from temp_file_manager.registering.on_record import recorded_paths
from temp_file_manager.registry.card import SharedBy
from temp_file_manager.reports import FileStatus, RegisterReport, StatusReport, SweepReport
from temp_file_manager.service.api import confined, requests
from temp_file_manager.service.api.models import PageQuery, PathQuery, Paths, Registration, SweepOrder, in_seconds
from temp_file_manager.service.api.sessions import living
from temp_file_manager.service.http.json import as_json
from temp_file_manager.service.http.problems import Problem
from temp_file_manager.settings import Settings
from temp_file_manager.storage.paths import absolute, absolute_all

SEARCHED = 50_000
"""Records that are looked at for one answer: some tenths of a second's work, whatever is on record."""

Filter = Callable[[TempFile], bool]

_MOST_WALKS = {SharedBy.PROCESS: 4, SharedBy.HOST: 64, SharedBy.HOSTS: 64}
"""Walks at a time; through records of this process alone, each costs a pointer a record."""


class Files:
    """The handlers.

    Args:
        manager: Whose records they are.
        settings: ``protect_open`` counts for sweeps.
    """

    def __init__(self, manager: TempFileManager, settings: Settings) -> None:
        self._manager = manager
        self._protect_open = settings.protect_open
        self._walks = Walks(_MOST_WALKS[manager.registry.properties.shared_by])
        # One at a time: they would wait for each other in the registry, and take every thread from those who read.
        self._registering = asyncio.Lock()
        self._sweeping = asyncio.Lock()
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End a sweep that was asked for, after the chunk in hand. From any thread."""
        self._stopping.set()

    async def page(self, request: Request) -> Response:
        """Answer a part of what is on record, and how to ask for the next."""
        asked = requests.query(request, PageQuery)
        after = None if asked.after is UNSET else self._walks.cursor(asked.after, only_due=asked.due)
        wanted = Search(asked.contains).wanted
        return as_json(await run_in_threadpool(self._page, asked.limit, after, wanted, only_due=asked.due))

    def _page(self, limit: int, after: object | None, wanted: Filter, *, only_due: bool) -> dict[str, object]:
        context = self._manager.context
        due, now = context.due(), context.clock.elapsed()
        looked_at = 0
        while True:
            page = context.registry.page(due if only_due else None, now=now, limit=limit, after=after)
            looked_at += len(page.records)
            found, after = [record for record in page.records if wanted(record)], page.cursor
            if found or after is None or looked_at >= SEARCHED:
                break
        return {
            "files": [describe.described(record, due) for record in found],
            "looked_at": looked_at,
            "next": None if after is None else self._walks.keep(after, only_due=only_due),
        }

    async def register(self, request: Request) -> Response:
        """Put files of the base directory on record."""
        asked = await requests.body(request, Registration)
        async with self._registering:
            try:
                report = await run_in_threadpool(self._registered, asked)
            except OSError as error:
                why = f"the base directory cannot be opened ({error.strerror}): /health says more"
                raise Problem(503, why, {"Retry-After": "10"}) from error
        refused = [{"path": path, "reason": reason} for path, reason in report.refused]
        return as_json({"registered": report.registered, "oversized": report.oversized, "refused": refused})

    def _registered(self, asked: Registration) -> RegisterReport:
        context = self._manager.context
        session = 0 if asked.session is None else living(context, asked.session).number
        ttl = None if asked.ttl is None else in_seconds(asked.ttl)
        return confined.register(context, asked.paths, ttl, asked.tags, session, unit=asked.unit)

    async def status(self, request: Request) -> Response:
        """Answer what is known about files."""
        paths = (await requests.body(request, Paths)).paths
        return as_json(
            await run_in_threadpool(lambda: _described(self._manager.statuses(paths), self._manager.context.due()))
        )

    async def forget(self, request: Request) -> Response:
        """Take files off the record, and touch none."""
        paths = absolute_all((await requests.body(request, Paths)).paths, "forget")
        registry = self._manager.registry
        forgotten = await run_in_threadpool(lambda: registry.forget(recorded_paths(registry, paths)))
        return as_json({"forgotten": forgotten})

    async def why(self, request: Request) -> Response:
        """Answer the whole story of a file."""
        return as_json(await run_in_threadpool(self._story, requests.query(request, PathQuery).path))

    def _story(self, path: str) -> dict[str, object]:
        manager = self._manager
        name, patience = absolute(path), Patience(manager.context.clock)
        known = records_of(manager.registry, (name,), patience)
        # Whoever may read records may not therefore ask what other files there are, and who has them open.
        if not known and not patience.ask(lambda: confined.lies_in(manager.base_dir, name), False):
            if patience.lost:
                raise Problem(503, "its directory does not answer", {"Retry-After": "10"})
            raise Problem(404, "nothing is on record there, and outside the base directory nothing else is looked at")
        return describe.explanation(why(manager.context, name))

    async def sweep(self, request: Request) -> Response:
        """Remove what is due, as the command line does without a flag."""
        order = await requests.body(request, SweepOrder)
        if not order.dry_run:
            self._manager.context.policies.refuse_paused()
        async with self._sweeping:
            report = await run_in_threadpool(
                lambda: self._manager.sweep(
                    dry_run=order.dry_run,
                    limit=order.limit,
                    protect_open=self._protect_open,
                    trust_clock=False,
                    allow_large=0,
                    stop=self._stopping.is_set,
                )
            )
        return as_json(_reported(report))


def _described(report: StatusReport, due: Selection) -> dict[str, object]:
    return {
        "registered": report.registered,
        "unregistered": report.unregistered,
        "due": report.due,
        "files": [_status(file, due) for file in report.files],
    }


def _status(file: FileStatus, due: Selection) -> dict[str, object]:
    told = {"path": file.path, "registered": file.record is not None}
    if file.record is None:
        return told | {"age": None, "due": False, "reason": file.reason}
    return describe.described(file.record, due) | told


def _reported(report: SweepReport) -> dict[str, object]:
    counts = {str(status): getattr(report, status) for status in Status}
    outcomes = [
        {"outcome": outcome.status, "path": outcome.record.path, "reason": outcome.reason}
        for outcome in report.outcomes
    ]
    return counts | {
        "evicted": report.evicted,
        "stopped": report.stopped,
        "dry_run": report.dry_run,
        "seconds": report.duration,
        "outcomes": outcomes,
        "unlisted": sum(counts.values()) - len(outcomes),
    }


class Search:
    """A text that is looked for in records.

    Args:
        text: Whatever its case; empty: every record has it.
    """

    def __init__(self, text: str) -> None:
        self._text = text.casefold()

    def wanted(self, record: TempFile) -> bool:
        """Say whether a record has it in its path, where it was before, or a tag."""
        return any(self._text in words.casefold() for words in (record.path, record.origin, *record.tags))


class Walks:
    """Where those who read page after page have got to. A registry's cursor is its own affair, and stays here.

    Args:
        most: The oldest beyond so many are dropped.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, tuple[bool, object]] = OrderedDict()

    def keep(self, cursor: object, *, only_due: bool) -> str:
        """Return the name of a cursor."""
        name = secrets.token_urlsafe(12)
        self._kept[name] = only_due, cursor
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return name

    def cursor(self, name: str, *, only_due: bool) -> object:
        """Return the cursor of that name.

        Raises:
            Problem: there is none, or it belongs to a walk through other records.
        """
        known, cursor = self._kept.get(name, (None, None))
        if known is not only_due:
            raise Problem(404, "after is not known here, or not any more: begin again without it")
        return cursor
