"""Buckets, as the doctor sees them: what each obeys, and what its own rules clear away."""

from collections.abc import Iterable, Iterator

from temp_file_manager.context import Context
from temp_file_manager.errors import InvalidArgumentError, ObjectStoreError
from temp_file_manager.inspection.doctor import Check, Level
from temp_file_manager.objects.address import read
from temp_file_manager.objects.lifecycle import lifecycle
from temp_file_manager.objects.probe import Found, Obeys
from temp_file_manager.objects.stores import STORES, Store
from temp_file_manager.records import Kind, Order, Selection

MOST = 10_000
"""Records that are looked through for buckets."""

_PAGE = 1000
_UPLOADS = "a rule AbortIncompleteMultipartUpload"
_NONCURRENT = "a rule NoncurrentVersionExpiration"


def registered_in(context: Context) -> Iterator[str]:
    """Yield the buckets of registered objects, of the first ``MOST``."""
    wanted, cursor = Selection(0.0, 0.0, order=Order.ADDED, kind=Kind.OBJECT), None
    for _ in range(MOST // _PAGE):
        page = context.registry.page(wanted, now=context.clock.wall(), limit=_PAGE, after=cursor)
        for record in page.records:
            try:
                yield read(record.path).bucket
            except InvalidArgumentError:  # a sweep tells of it
                continue
        cursor = page.cursor
        if cursor is None:
            return


def checks(buckets: Iterable[str], *, unconditional: bool) -> Iterator[Check]:
    """Yield what there is to say about buckets; what is put there to try them is removed at once.

    Args:
        buckets: Their names; each counts once.
        unconditional: Whether ``objects_unconditional`` is set.
    """
    for bucket in dict.fromkeys(buckets):
        name, store = f"bucket {bucket}", STORES.of(bucket)
        try:
            found = store.found()
            yield _obeys(name, found, unconditional)
            yield _rules(name, store, found)
        except ObjectStoreError as error:
            advice = "see that it runs, and look at AWS_ENDPOINT_URL, AWS_REGION and the credentials"
            yield Check(name, Level.PROBLEM, str(error), "objects in it stay", advice)


def _obeys(name: str, found: Found, unconditional: bool) -> Check:
    if found.trouble:
        advice = "let this user put, read and delete objects below .temp-file-manager/probe/"
        return Check(name, Level.WARNING, found.told, "registered objects in it stay", advice)
    if found.obeys is not Obeys.NEITHER:
        follows = "registered objects go only as those that were registered; expiring keys go in bulk"
        return Check(name, Level.OK, found.told, follows)
    if unconditional:
        follows = "a registered object that is replaced at the very moment of its removal is lost"
        return Check(name, Level.WARNING, found.told, follows, "use expiring keys, whose names never come back")
    if found.versioned:
        return Check(name, Level.OK, found.told, "objects that were registered by their version go, others stay")
    advice = "use expiring keys; or set TEMP_FILE_OBJECTS_UNCONDITIONAL=true where nobody replaces objects"
    return Check(name, Level.WARNING, found.told, "registered objects stay; expiring keys go all the same", advice)


def _rules(name: str, store: Store, found: Found) -> Check:
    name, rules = f"{name}: its own rules", lifecycle(store.client)
    if rules.trouble:
        follows = "parts of uploads that were never completed may stay for ever"
        return Check(name, Level.WARNING, f"cannot be told: {rules.trouble}", follows, f"see that there is {_UPLOADS}")
    wanted = [(_UPLOADS, rules.uploads), (_NONCURRENT, rules.noncurrent or not found.versioned)]
    missing = [rule for rule, there in wanted if not there]
    if not missing:
        return Check(name, Level.OK, "they clear away what no sweep sees")
    what = "parts of uploads" if missing == [_UPLOADS] else "noncurrent versions" if len(missing) == 1 else "both"
    follows = f"{what if what != 'both' else 'parts of uploads and noncurrent versions'} stay for ever, and cost money"
    return Check(name, Level.WARNING, f"there is not {' nor '.join(missing)}", follows, "add it to the bucket's rules")
