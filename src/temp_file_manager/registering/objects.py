"""Registration of objects in buckets: put on record by their full names, and their stores are asked nothing."""

from collections.abc import Iterable

from temp_file_manager import logs
from temp_file_manager.arguments import labels, seconds
from temp_file_manager.clock import Wall
from temp_file_manager.durations import Duration
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.events import FilesRegistered, Hooks
from temp_file_manager.objects.address import object_name
from temp_file_manager.records import Kind, Nature
from temp_file_manager.registry import Registry
from temp_file_manager.settings import Settings

_OBJECT = Nature(kind=Kind.OBJECT)


class ObjectRegistrar:
    """What ``TempFileManager.register_object`` does.

    Args:
        registry: Where the records go.
        clock: What tells the time that records carry.
        hooks: Who hears of it.
        settings: ``objects_unconditional``.
    """

    def __init__(self, registry: Registry, clock: Wall, hooks: Hooks, settings: Settings) -> None:
        self._registry = registry
        self._clock = clock
        self._hooks = hooks
        self._unconditional = settings.objects_unconditional

    def one(
        self,
        url: str,
        etag: str | None = None,
        version: str | None = None,
        ttl: Duration | None = None,
        tags: Iterable[str] = (),
    ) -> str:
        """Register one; return the full name, by which it is on record.

        Raises:
            InvalidArgumentError: there can be no such object, or records do not outlive this process.
            RecordClaimedError: a sweep is at work on it, and has not come to an end in time.
        """
        if not self._registry.properties.keeps_identity:
            raise InvalidArgumentError(
                "records in memory know no objects: use a durable registry, as sqlite:, or keys that expire"
            )
        name, words = object_name(url, etag, version), labels(tags)
        now = self._clock.wall()
        due_at = None if ttl is None else now + seconds("ttl", ttl)
        path = name.text
        self._registry.add([(path, due_at, None, words, None, None)], now, natures={path: _OBJECT})
        logs.registered(path)
        if not name.etag and not name.version and not self._unconditional:
            logs.object_kept(path)
        if self._hooks.hooks:
            self._hooks.emit(FilesRegistered((path,), ()))
        return path
