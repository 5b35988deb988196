"""Files in quarantine: in words, as data, and strays that lie there and that nobody knows of."""

import math
import os
from collections.abc import Iterator, Sequence

from temp_file_manager.context import Context
from temp_file_manager.records import Kind, TempFile
from temp_file_manager.reports import Finding
from temp_file_manager.text import json_number, span, timestamp


def had_back(context: Context, paths: Sequence[str], asof: float) -> dict[str, str]:
    """Say of paths whose files are in quarantine, or compressed, how to have them back; of others there is nothing.

    Args:
        context: Whose records count.
        paths: Absolute.
        asof: Now, seconds since the epoch.
    """
    if not context.registry.properties.keeps_identity:
        return {}
    return {path: until(record, asof) for path, record in context.restorer.last(paths).items()}


def until(record: TempFile, asof: float) -> str:
    """Return in words how a file can be had back, and of one in quarantine until when."""
    if record.kind is Kind.COMPRESSED:
        return "what was there is compressed: tfm cat reads it, tfm restore brings it back"
    end = math.inf if record.due_at is None else record.due_at
    when = "for ever" if end == math.inf else f"until {timestamp(end)}, for {span(max(end - asof, 0))}"
    return f"in quarantine {when}: tfm restore brings it back"


def described(record: TempFile, asof: float) -> dict[str, object]:
    """Return what is known of a file that is in quarantine, for JSON."""
    return {
        "path": record.origin,
        "quarantined_as": record.path,
        "quarantined_at": json_number(record.registered_at),
        "until": json_number(record.due_at),
        "left": None if record.due_at is None else json_number(max(record.due_at - asof, 0)),
        "size": record.size,
        "tags": list(record.tags),
    }


def strays(context: Context) -> Iterator[Finding]:
    """Yield what lies in the folder and is not on record there: nothing of ours ever does."""
    folder = context.restorer.folder
    try:
        names = sorted(os.listdir(folder))
    except OSError:  # nothing has been quarantined here; or it is another's, and nothing in it is believed
        return
    paths = [os.path.join(folder, name) for name in names]
    known = context.registry.get(paths)
    why = "it is in the quarantine's folder, and not on record there: somebody put it there, or another registry did"
    for path in paths:
        if path not in known and os.path.lexists(path):  # it may have been removed, and forgotten, since it was listed
            yield Finding("stray in quarantine", path, f"{why}; look, and move it away or remove it")
