"""The files that ``top`` lists: those somebody asked for, as far as a moment's look finds them."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from temp_file_manager.cli.top.choices import Part, Question
from temp_file_manager.context import Context
from temp_file_manager.inspection import describe, pages
from temp_file_manager.records import Kind, Order, Selection, TempFile

MOST = 200
"""Files that are listed."""

PATIENCE = 0.3
"""Seconds that a look may take before it ends with what it has found: keys are not heard meanwhile."""


class Listing(NamedTuple):
    """What was found.

    Attributes:
        question: What was asked for.
        due: What is due, by which ages are told.
        records: The first ``MOST``, in order.
        looked_at: How many records were looked at.
        complete: Whether that is all there are, or as many as are listed were found.
    """

    question: Question
    due: Selection
    records: tuple[TempFile, ...]
    looked_at: int
    complete: bool


def listing(context: Context, question: Question) -> Listing:
    """Look for files, for ``PATIENCE`` at most.

    Raises:
        RegistryError: the registry cannot be read.
    """
    due = context.due()
    is_wanted, until = _filter(question, due), context.clock.elapsed() + PATIENCE
    found, looked_at = list[TempFile](), 0
    for looked_at, record in enumerate(pages.records(context, _selection(question, due)), 1):
        if is_wanted(record):
            found.append(record)
        if len(found) == MOST:
            break
        if looked_at % pages.PAGE == 0 and context.clock.elapsed() >= until:
            return Listing(question, due, tuple(found), looked_at, complete=False)
    return Listing(question, due, tuple(found), looked_at, complete=True)


def path_of(record: TempFile) -> str:
    """Return the path that people know a file by: of one in quarantine, where it was."""
    return record.origin if record.kind is Kind.QUARANTINED else record.path


def _selection(question: Question, due: Selection) -> Selection:
    if question.part is Part.DUE:
        return due
    if question.part is Part.FAILED:
        return replace(due, order=Order.FAILING)
    if question.part is Part.QUARANTINED:
        return replace(due, order=Order.ADDED, kind=Kind.QUARANTINED)
    return replace(due, order=question.order)


def _filter(question: Question, due: Selection) -> Callable[[TempFile], bool]:
    search, part = question.search.casefold(), question.part

    def is_wanted(record: TempFile) -> bool:
        if part is Part.KEPT and describe.state(record, due) not in ("held", "pinned"):
            return False
        return search in path_of(record).casefold() if search else True

    return is_wanted
