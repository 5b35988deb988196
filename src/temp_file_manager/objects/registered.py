"""A storage of registered objects: removes each only if it is the very object that was registered.

Which way that goes the bucket decides, see ``probe``: by its version, by a condition in bulk, by a condition one at a
time, or not at all, unless whoever runs this accepts that an object goes that is replaced just then.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.errors import InvalidArgumentError, ObjectStoreError, ObjectStoreUnavailableError
from temp_file_manager.objects.address import ObjectName, read
from temp_file_manager.objects.bulk import MOST
from temp_file_manager.objects.client import CONNECTIONS, Client
from temp_file_manager.objects.deletion import ABSENT, PRECONDITION, Doomed, delete_many, delete_one
from temp_file_manager.objects.probe import Found, Obeys
from temp_file_manager.objects.stores import STORES, Store, Stores
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.storage.contract import Removal

SETTING = "TEMP_FILE_OBJECTS_UNCONDITIONAL=true"
REST = 60.0
"""Seconds for which a store that is out of reach is not asked again: each try may take as long as a time-out."""

_GONE = Other(Status.GONE, Cause.GONE)
_REPLACED = Other(Status.REPLACED, Cause.REPLACED, "another object has been put in its place since it was registered")
_REMOVED = Other(Status.REMOVED, Cause.NONE)
_LEFT_TO_THE_STORE = Other(Status.REMOVED, Cause.NOT_GUARANTEED, "an object in a bucket is not overwritten")

Asked = list[tuple[int, ObjectName]]
"""Positions, and which objects are meant."""


class RegisteredObjects:
    """Removes objects in buckets.

    Args:
        unconditional: Whether, where a bucket obeys no condition, an object is looked at, and then deleted whatever is
            put there in between.
        elapsed: What tells the time.
        destroys: Whether what is removed is to be overwritten, which no object can be.
        stores: The buckets.
    """

    def __init__(
        self, *, unconditional: bool, elapsed: Callable[[], float], destroys: bool = False, stores: Stores = STORES
    ) -> None:
        self._unconditional = unconditional
        self._elapsed = elapsed
        self._destroys = destroys
        self._stores = stores
        self._resting: dict[str, tuple[float, str]] = {}

    def remove(self, removal: Removal) -> None:
        """Remove one object a record, as many as go into a request at a time; see ``Storage``."""
        while removal.done < removal.last and removal.goes_on:
            first, last = removal.done, min(removal.done + MOST, removal.last)
            removal.begun = last
            for bucket, asked in _by_bucket(removal.records, range(first, last), removal.others).items():
                self._remove(removal, bucket, asked)
                removal.signs += 1
            if self._destroys:
                removal.others.update((at, _LEFT_TO_THE_STORE) for at in range(first, last) if at not in removal.others)
            removal.done = last

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would make of each; nothing is put into a bucket to find out what that obeys."""
        waiting = iter(records)
        while some := list(islice(waiting, CONNECTIONS)):
            others: dict[int, Other] = {}
            for bucket, asked in _by_bucket(some, range(len(some)), others).items():
                others |= self._foretold(bucket, asked)
            yield from (Outcome(record, *others.get(at, _REMOVED)) for at, record in enumerate(some))

    def _foretold(self, bucket: str, asked: Asked) -> dict[int, Other]:
        try:
            self._refuse_resting(bucket)
            store = self._stores.of(bucket)
            others = _each(asked, lambda name: _looked_at(store.client, name))
        except ObjectStoreError as error:
            return dict.fromkeys((at for at, _ in asked), self._out(bucket, error))
        if not self._unconditional:
            known = store.known
            others |= {
                at: _kept(name, known)
                for at, name in asked
                if at not in others and _is_kept(name, known)
            }  # fmt: skip
        return others

    def _remove(self, removal: Removal, bucket: str, asked: Asked) -> None:
        """Remove objects of one bucket; note what becomes of those that are not simply removed."""
        left = dict(asked)
        try:
            self._refuse_resting(bucket)
            store = self._stores.of(bucket)
            found = store.found() if any(name.etag or name.version for name in left.values()) else None
            removal.signs += 1
            for way in (self._by_version, self._in_bulk, self._one_by_one, self._looking, self._keeping):
                mine = way(store, found, left, removal)
                for at in mine:
                    del left[at]
        except ObjectStoreError as error:
            other = self._out(bucket, error)
            removal.others.update((at, other) for at in left if at not in removal.others)

    def _refuse_resting(self, bucket: str) -> None:
        until, why = self._resting.get(bucket, (0.0, ""))
        if self._elapsed() < until:
            raise ObjectStoreError(why)

    def _out(self, bucket: str, error: ObjectStoreError) -> Other:
        if isinstance(error, ObjectStoreUnavailableError):
            self._resting[bucket] = self._elapsed() + REST, str(error)
        return Other(Status.FAILED, Cause.ERROR, str(error))

    # -- the ways, each for those that can go it; each returns whom it has dealt with

    def _by_version(
        self, store: Store, found: Found | None, left: dict[int, ObjectName], removal: Removal
    ) -> list[int]:
        mine = [at for at, name in left.items() if name.version and found is not None and found.versioned]
        _bulk(store, {at: _doomed(left[at], version=True) for at in mine}, left, removal)
        return mine

    def _in_bulk(self, store: Store, found: Found | None, left: dict[int, ObjectName], removal: Removal) -> list[int]:
        obeyed = found is not None and found.obeys is Obeys.BULK
        mine = [at for at, name in left.items() if name.etag and obeyed]
        _bulk(store, {at: _doomed(left[at]) for at in mine}, left, removal)
        return mine

    def _one_by_one(
        self, store: Store, found: Found | None, left: dict[int, ObjectName], removal: Removal
    ) -> list[int]:
        obeyed = found is not None and found.obeys is Obeys.SINGLE
        mine = [at for at, name in left.items() if name.etag and obeyed]
        for first in range(0, len(mine), CONNECTIONS):
            some = [(at, left[at]) for at in mine[first : first + CONNECTIONS] if removal.may_go(at)]
            removal.others |= _each(some, lambda name: _deleted(store.client, name))
            removal.signs += 1
        return mine

    def _looking(self, store: Store, found: Found | None, left: dict[int, ObjectName], removal: Removal) -> list[int]:
        del found
        if not self._unconditional:
            return []
        mine = list(left)
        for first in range(0, len(mine), CONNECTIONS):  # what was looked at goes at once: little time for a replacement
            some = [(at, left[at]) for at in mine[first : first + CONNECTIONS]]
            others = _each(some, lambda name: _looked_at(store.client, name))
            removal.others |= others
            _bulk(store, {at: Doomed(name.key) for at, name in some if at not in others}, left, removal)
        return mine

    def _keeping(self, store: Store, found: Found | None, left: dict[int, ObjectName], removal: Removal) -> list[int]:
        del store
        removal.others.update((at, _kept(name, found)) for at, name in left.items())
        return list(left)


def _by_bucket(records: Sequence[TempFile], positions: range, others: dict[int, Other]) -> dict[str, Asked]:
    """Return objects by their buckets, in order; of a record that names none it is noted."""
    asked: defaultdict[str, Asked] = defaultdict(list)
    for at in positions:
        try:
            name = read(records[at].path)
        except InvalidArgumentError as error:
            others[at] = Other(Status.FAILED, Cause.ERROR, str(error))
        else:
            asked[name.bucket].append((at, name))
    return asked


def _doomed(name: ObjectName, *, version: bool = False) -> Doomed:
    return Doomed(name.key, version=name.version) if version else Doomed(name.key, name.etag)


def _bulk(store: Store, doomed: dict[int, Doomed], left: dict[int, ObjectName], removal: Removal) -> None:
    going = {at: one for at, one in doomed.items() if removal.may_go(at)}
    if not going:
        return
    positions = list(going)

    def over() -> bool:
        removal.signs += 1
        return bool(removal.why_interrupted())

    for at, code in delete_many(store.client, list(going.values()), store.pace, over).items():
        removal.others[positions[at]] = _told(store.client, left[positions[at]], code)


def _deleted(client: Client, name: ObjectName) -> Other | None:
    code = delete_one(client, Doomed(name.key, name.etag))
    return _told(client, name, code) if code else None


def _told(client: Client, name: ObjectName, code: str) -> Other:
    """Return what becomes of an object that the server has not deleted."""
    if code in ABSENT:
        return _GONE
    if code == PRECONDITION:  # some servers say so of what is not there at all
        found = _looked_at(client, name._replace(version=""))
        if found is not None:
            return found
    return Other(Status.FAILED, Cause.ERROR, f"bucket {name.bucket} does not delete it: {code}")


def _looked_at(client: Client, name: ObjectName) -> Other | None:
    """Look at an object; return what becomes of the record if it is not the one that is meant."""
    reply = client.request("HEAD", name.key)
    if reply.absent:
        return _GONE
    if not reply.good:
        return Other(Status.FAILED, Cause.ERROR, f"bucket {name.bucket} does not show it: {reply.code}")
    etag, version = reply.headers.get("etag", "").strip('"'), reply.headers.get("x-amz-version-id", "")
    same = name.etag in ("", etag) and name.version in ("", version)
    return None if same else _REPLACED


def _each(asked: Asked, ask: Callable[[ObjectName], Other | None]) -> dict[int, Other]:
    """Ask about several objects at once; return what is to be noted, by position."""
    if not asked:
        return {}
    with ThreadPoolExecutor(min(len(asked), CONNECTIONS), "temp-file-objects") as pool:
        answers = list(pool.map(lambda one: _answer(ask, one[1]), asked))
    return {at: answer for (at, _), answer in zip(asked, answers, strict=True) if answer is not None}


def _answer(ask: Callable[[ObjectName], Other | None], name: ObjectName) -> Other | None:
    try:
        return ask(name)
    except ObjectStoreError as error:  # one that does not answer says nothing about those that have
        return Other(Status.FAILED, Cause.ERROR, str(error))


def _is_kept(name: ObjectName, found: Found | None) -> bool:
    if not name.etag and not name.version:
        return True
    if found is None:
        return False
    return not (name.version and found.versioned) and not (name.etag and found.obeys is not Obeys.NEITHER)


def _kept(name: ObjectName, found: Found | None) -> Other:
    """Return why an object stays."""
    if found is not None and found.trouble:  # that may be over soon, and is no answer about the bucket
        return Other(Status.FAILED, Cause.ERROR, f"bucket {name.bucket} {found.told}")
    if not name.etag and not name.version:
        why = "it was registered without an ETag and without a version, and nothing tells it from another one"
    elif not name.etag:
        why = f"it was registered by its version alone, and bucket {name.bucket} keeps none"
    else:
        why = f"bucket {name.bucket} obeys no condition, and would delete an object that was put in its place, too"
    return Other(Status.KEPT, Cause.UNCONDITIONAL, f"{why}: {SETTING} has it looked at, and then deleted all the same")
