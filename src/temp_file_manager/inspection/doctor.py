"""The machine and its file system: the abilities they give, and what to grant or change."""

import errno
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from temp_file_manager.clock import Clock, SystemClock, boot_id
from temp_file_manager.errors import BaseDirectoryError, InvalidArgumentError, RegistryError
from temp_file_manager.plugins import NONE, Plugins
from temp_file_manager.registry.schemes import MEMORY, POSTGRESQL, SQLITE, parse
from temp_file_manager.storage.base_rules import refuse_foreign_private, refuse_unsafe
from temp_file_manager.storage.kernel import mounts, processes
from temp_file_manager.storage.kernel.probe import Probe, capabilities, hides_processes, probe
from temp_file_manager.storage.kernel.space import room
from temp_file_manager.storage.own_files import OWN_DIRECTORY
from temp_file_manager.storage.paths import AnyPath, absolute, nearest_existing
from temp_file_manager.sweeping import watermark

_IN_MEMORY = ("tmpfs", "ramfs", "devtmpfs")
_GRANT_LEASE = (
    "grant CAP_LEASE: for systemd AmbientCapabilities=CAP_LEASE, for Docker --cap-add LEASE, for Kubernetes "
    "securityContext.capabilities.add: [LEASE]"
)
_SHOW_PROCESSES = (
    "let it see all processes: for Kubernetes hostPID: true (shareProcessNamespace: true shows those of its own pod), "
    "for Docker --pid=host, for systemd PrivatePIDs=no and ProtectProc=default; and to read other users' grant "
    "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
)
_OR_AN_AGE = "or set TEMP_FILE_IF_UNKNOWN to an age in seconds at which such a file goes all the same"


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Attributes:
        name: What.
        level: How bad it is.
        found: What was found.
        follows: What follows from it for who uses this package; empty when nothing does.
        advice: What to grant or change; empty when all is well.
    """

    name: str
    level: Level
    found: str
    follows: str = ""
    advice: str = ""


def examine(
    directory: AnyPath,
    *,
    registry: str | None = SQLITE,
    clock: Clock | None = None,
    protect_open: bool = True,
    plugins: Plugins = NONE,
    told: Mapping[str, str] = MappingProxyType({}),
    shared: bool = False,
) -> tuple[Check, ...]:
    """Look at what a base directory, or one to be made there, can rely on. What is made to try it is removed at once.

    Args:
        directory: The base directory; where it is missing, what is nearest above it is tried.
        registry: Where records would live, as ``open_registry`` takes it. One that is missing is not made.
        clock: What the clock guard's watermark is compared with.
        protect_open: Whether sweeps are to keep open files; else nothing about them is a warning.
        plugins: Those that are named.
        told: What registries are told beside their address; see ``open_registry``.
        shared: Whether hosts share it by a registry that they share, too.

    Raises:
        TypeError: ``directory`` is no path.
        InvalidArgumentError: it is empty.
        RegistryError: no registry can be at that address.
    """
    if not os.fsdecode(directory):
        raise InvalidArgumentError("an empty path names no directory")
    examination = _Examination(absolute(directory), registry, clock or SystemClock(), protect_open, plugins, shared)
    return (*examination.checks(told), *_plugins(plugins))


def _plugins(plugins: Plugins) -> Iterator[Check]:
    for each in plugins.loaded:
        yield Check(f"plug-in {each.plugin.name}", Level.OK, f"{each.package} brings {each.brings}")


class _Examination:
    """The checks of one base directory, which share what was found before."""

    def __init__(
        self, base: str, registry: str | None, clock: Clock, protect_open: bool, plugins: Plugins, shared: bool
    ) -> None:
        self._shared = shared
        self._base = base
        self._address = parse(registry or MEMORY, base, plugins.schemes)
        self._clock = clock
        self._protect_open = protect_open
        self._there = nearest_existing(base)
        self._seen = processes.census()
        self._refusal = _refusal(base)
        self._probe: Probe | OSError = PermissionError(errno.EPERM, "not tried where no base directory may be")
        if self._refusal is None:
            try:
                self._probe = probe(self._there)
            except OSError as error:
                self._probe = error

    def checks(self, told: Mapping[str, str]) -> Iterator[Check]:
        yield _user()
        yield self._base_directory()
        yield self._file_system()
        yield self._writing()
        yield self._room()
        yield self._births()
        yield self._leases()
        yield self._others_files()
        yield self._processes()
        yield from self._records(told)

    # -- the directory and its file system

    def _base_directory(self) -> Check:
        name = "base directory"
        if self._refusal is not None:
            follows, advice = "what sweeps there by itself could remove what is not its own", "give another directory"
            return Check(name, Level.PROBLEM, self._refusal, follows, advice)
        if os.path.isdir(self._base):
            return Check(name, Level.OK, self._base)
        missing = f"{self._base} is not there yet; tried in {self._there}"
        return Check(name, Level.OK, missing, "it is made when it is first used")

    def _file_system(self) -> Check:
        name, kind = "file system", mounts.kind(self._there)
        if not kind:
            return Check(name, Level.WARNING, "its type cannot be told", "it may be a network's", "give a local disk")
        if self._shared:
            return Check(name, Level.OK, f"{kind}, which hosts share")
        if mounts.is_network(kind):
            found = f"{kind}, a network's" if kind in mounts.NETWORK else f"{kind}, which may be a network's"
            follows = "other machines may change what is there, and SQLite's locks do not hold: no durable registry"
            return Check(name, Level.PROBLEM, found, follows, "give a base directory on a local disk")
        if kind.startswith("fuse"):
            follows = "whether it is local depends on the program behind it"
            advice = "if other machines see it, give a base directory on a local disk"
            return Check(name, Level.WARNING, f"{kind}, a program's", follows, advice)
        follows = "files and records are gone after a reboot, and take memory" if kind in _IN_MEMORY else ""
        return Check(name, Level.OK, f"{kind}, local", follows)

    def _writing(self) -> Check:
        name = "writing"
        if not isinstance(self._probe, OSError):
            return Check(name, Level.OK, "a file could be made and removed")
        found = f"no file can be made in {self._there}: {self._probe.strerror or self._probe}"
        advice = "mount it for writing, or let this user write there, or give another directory"
        return Check(name, Level.PROBLEM, found, "nothing can be registered, and nothing removed", advice)

    def _room(self) -> Check:
        name = "room"
        found = room(self._there)
        if found is None:
            return Check(name, Level.WARNING, "cannot be told")
        files = "" if found.inodes is None else f", {found.inodes} more files"
        told = f"{found.bytes // (1 << 20)} MiB free ({found.share:.0%}){files}"
        advice = "make room: temp-file-manager sweep works on a full disk"
        if found.is_full:
            return Check(name, Level.PROBLEM, told, "nothing can be registered", advice)
        if found.is_little:
            return Check(name, Level.WARNING, told, "registering fails when it is used up", advice)
        return Check(name, Level.OK, told)

    def _births(self) -> Check:
        name = "birth times"
        if isinstance(self._probe, OSError):
            return _untried(name)
        if self._probe.born:
            return Check(name, Level.OK, "told", "a file that was replaced is never taken for the registered one")
        follows = "a file that changed after it was registered is kept, as nothing can tell whether it is the same"
        advice = "register a file when it is complete, or put it on ext4, xfs, btrfs or tmpfs"
        return Check(name, Level.WARNING, "not told by this file system or system", follows, advice)

    # -- files in use

    def _graded(self, name: str, found: str, follows: str, advice: str) -> Check:
        if not self._protect_open:
            return Check(name, Level.OK, found, "nothing: protect_open is false, so nobody asks")
        return Check(name, Level.WARNING, found, follows, advice)

    def _leases(self) -> Check:
        name = "write leases"
        if isinstance(self._probe, OSError):
            return _untried(name)
        leased, refused, decides, overlay, _ = self._probe
        if leased and refused and (decides or overlay):
            more = "; here with a look at what processes have mapped" if overlay else ""
            return Check(name, Level.OK, f"granted and refused as they should be{more}", "open files are kept")
        if not leased:
            found = "not to be had here"
        elif not refused:
            found = "granted although somebody had the file open"
        else:
            found = "granted, but this file system is not known to keep them"
        if self._proc_decides():
            return Check(name, Level.OK, found, "open files are kept: /proc shows every process, which is slower")
        follows = "nothing can tell whether a file is open: a file that is due is kept for ever"
        advice = f"use ext4, xfs, btrfs or tmpfs; or {_SHOW_PROCESSES}; {_OR_AN_AGE}"
        return self._graded(name, found, follows, advice)

    def _others_files(self) -> Check:
        name, held = "other users' files", capabilities()
        if held is None:
            return self._graded(name, "capabilities cannot be told", "they may be kept", _OR_AN_AGE)
        told = ", ".join(sorted(held)) or "none of CAP_LEASE, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH"
        if "CAP_LEASE" in held:
            return Check(name, Level.OK, told, "leases are to be had on them, too")
        if self._proc_decides():
            return Check(name, Level.OK, told, "without CAP_LEASE /proc decides, and shows every process")
        follows = "of this user's own files all is known; others' that are due are kept, as they may be open"
        return self._graded(name, f"{told}: no CAP_LEASE", follows, f"{_GRANT_LEASE}; or {_SHOW_PROCESSES}")

    def _processes(self) -> Check:
        name, seen = "processes", self._seen
        if processes.told_by() != processes.PROC:
            return self._without_proc(name)
        first = processes.sees_all_processes()
        where = "the machine's pid namespace" if first else "a pid namespace of its own"
        hidden = ", which hides other users' (hidepid)" if hides_processes() else ""
        found = f"{seen.read} can be looked into, {seen.unread} cannot; /proc shows {where}{hidden}"
        if seen.complete and not hidden:
            return Check(name, Level.OK, found, "whoever has a file open can be named")
        follows = "why cannot always name who has a file open"
        if isinstance(self._probe, Probe) and self._probe.leased and self._probe.decides:
            follows += "; whether somebody has, leases tell (of directories that go as a whole /proc alone does)"
            return Check(name, Level.OK, found, follows)
        return self._graded(name, found, follows, _SHOW_PROCESSES)

    def _without_proc(self, name: str) -> Check:
        if not processes.told_by():
            advice = "install psutil, for one by the extra temp-file-manager[monitor]"
            return self._graded(
                name, f"there is no {processes.PROC}", "nobody who has a file open can be named", advice
            )
        found = f"psutil looks into {self._seen.read}, and cannot into {self._seen.unread}"
        follows = "a file that it finds open is kept; that a file is not open it cannot prove"
        return Check(name, Level.OK, found, follows)

    def _proc_decides(self) -> bool:
        return self._seen.complete and not hides_processes()

    # -- records

    def _records(self, beside: Mapping[str, str]) -> Iterator[Check]:
        name, path = "registry", self._address.file
        if f"{self._address.scheme}:" == POSTGRESQL:
            from temp_file_manager.inspection import server  # noqa: PLC0415 - it knows of Check, and few have a server

            yield from server.checks(self._address, beside, self._base)
            return
        if path is None:
            follows = "" if self._address.outlives_process else "records end with their process"
            yield Check(name, Level.OK, self._address.shown, follows)
            return
        if not os.path.lexists(path):
            yield Check(name, Level.OK, f"{path} is not there yet", "it is made when something is first registered")
            return
        from temp_file_manager.registry.sqlite.snapshot import look_at  # noqa: PLC0415 - in memory nobody needs SQLite

        try:
            found = look_at(path, self._base)
        except RegistryError as error:
            advice = "let this user read it, or move it away and start anew: files that only it knew of stay"
            yield Check(name, Level.PROBLEM, str(error), "nothing can be registered or swept", advice)
            return
        yield _usable(path, f"{path}: {found.told}", newer=found.is_newer)
        yield _reserve(path)
        yield _watermark(found.clock, self._clock)


def _refusal(base: str) -> str | None:
    try:
        refuse_unsafe(base)
        refuse_foreign_private(os.path.join(base, OWN_DIRECTORY))
    except BaseDirectoryError as error:
        return f"{error.filename}: {error.strerror}"
    except InvalidArgumentError as error:
        return str(error)
    return None


def _untried(name: str) -> Check:
    return Check(name, Level.WARNING, "could not be tried", "as no file can be made there", "see writing")


def _user() -> Check:
    if not hasattr(os, "geteuid"):
        return Check("user", Level.OK, "no users here")
    uid = os.geteuid()
    follows = "what anybody registers in its registry it can remove" if not uid else ""
    return Check("user", Level.OK, "root" if not uid else f"user {uid}", follows)


def _usable(path: str, told: str, *, newer: bool) -> Check:
    if newer:
        follows = "it can be read, and nothing can be registered or swept"
        return Check("registry", Level.PROBLEM, f"{told}: a newer version's", follows, "install that version")
    if not os.access(path, os.W_OK) or not os.access(os.path.dirname(path), os.W_OK):
        follows = "this user can register and sweep nothing"
        return Check("registry", Level.PROBLEM, f"{told}: not writable", follows, "run as its owner")
    return Check("registry", Level.OK, told)


def _reserve(path: str) -> Check:
    name = "reserve"
    if all(os.path.exists(f"{path}-reserve{ending}") for ending in ("", "-2")):
        return Check(name, Level.OK, "there", "a sweep begins on a full disk, too")
    follows = "on a full disk a sweep may not begin"
    return Check(name, Level.WARNING, "not there", follows, "make room: it comes with the next registration or sweep")


def _watermark(text: str | None, clock: Clock) -> Check:
    name = "clock"
    told = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(clock.wall()))
    if text is None:
        return Check(name, Level.OK, f"{told}; nothing has looked at it yet")
    now = watermark.Moment(clock.wall(), clock.elapsed(), boot_id())
    try:
        reading, _ = watermark.look(watermark.parsed(text), now)
    except watermark.NO_WATERMARK:
        found, follows = f"{told}; what it was last cannot be read", "scheduled sweeps find nothing due"
        return Check(name, Level.WARNING, found, follows, "accept the clock: --accept-clock")
    if reading.trusted:
        return Check(name, Level.OK, f"{told}, as expected")
    follows = "scheduled sweeps go on by the time that has passed, and take some files late"
    return Check(name, Level.WARNING, f"{told}; {reading.reason}", follows, "put the clock right, or accept it")
