"""Plug-ins around a storage: what one of them raises costs the file it was at, and nothing else."""

from collections.abc import Callable, Iterable, Iterator

from temp_file_manager import logs
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.errors import SettingsError
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.storage.contract import Removal, Storage

Wrap = Callable[[Storage], Storage]
"""Returns a storage around another."""


class Isolated:
    """A storage around that of a plug-in.

    A file at which that one raises, or comes no further, is ``FAILED``; the others are gone on with. If it had been
    removed already, the next sweep finds it gone.

    Args:
        storage: What is around the plug-in's is made of.
        wrap: The plug-in's.
        name: Of the plug-in.

    Raises:
        SettingsError: ``wrap`` makes no storage.
    """

    def __init__(self, storage: Storage, wrap: Wrap, name: str) -> None:
        self._name = name
        self._told = False
        try:
            made = wrap(storage)
        except (Exception, SystemExit) as error:  # a stranger's code
            raise SettingsError(
                [f'plug-in "{name}": its storage failed: {error!r}: leave it out of plugins']
            ) from error
        if not (callable(getattr(made, "remove", None)) and callable(getattr(made, "predict", None))):
            raise SettingsError([f'plug-in "{name}": its storage is none, {made!r}: leave it out of plugins'])
        self._storage = made

    def remove(self, removal: Removal) -> None:
        """Remove one file a record; see ``Storage``."""
        last = len(removal.records)
        while removal.done < last and removal.goes_on:
            before, error = removal.done, None
            try:
                self._storage.remove(removal)
            except (Exception, SystemExit) as raised:  # a stranger's code
                error = raised
            if removal.done < last and (error is not None or (removal.done == before and not removal.over)):
                removal.others[removal.done] = self._failed(error)
                removal.done += 1
            elif error is None:
                return

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would; see ``Storage``."""
        left = list(records)
        while left:
            told, error = 0, None
            try:
                for outcome in self._storage.predict(left):
                    told += 1
                    yield outcome
            except (Exception, SystemExit) as raised:  # a stranger's code
                error = raised
            if told < len(left):
                yield Outcome(left[told], *self._failed(error))
            left = left[told + 1 :]

    def _failed(self, error: BaseException | None) -> Other:
        why = f'plug-in "{self._name}" ' + ("came no further" if error is None else f"failed: {error!r}")
        if not self._told:
            self._told = True
            logs.plugin_failed(why)
        return Other(Status.FAILED, Cause.ERROR, why)
