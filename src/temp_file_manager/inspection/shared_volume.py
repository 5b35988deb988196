"""A shared volume and its file system: what hosts can rely on there, and what to change."""

from collections.abc import Iterator

from temp_file_manager.inspection.doctor import Check, Level
from temp_file_manager.settings import Settings
from temp_file_manager.settings.shared_volume import checks_owner, removal_threads, sets_aside
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.storage.shared_volume import SharedVolume
from temp_file_manager.storage.volume_trial import Trial, try_out

FAR_OFF = 5.0
"""Seconds by which the clock of a file server may be off before somebody should know."""


def checks(volume: SharedVolume, settings: Settings) -> Iterator[Check]:
    """Try what a volume can do, with files of the package's own that are removed at once.

    Args:
        volume: It; what the registry knows is asked, if it can be.
        settings: Whose volume it is.
    """
    absent = volume.why_absent()
    if absent:
        follows = "nothing is removed, forgotten or registered"
        yield Check("volume", Level.PROBLEM, absent, follows, "mount it, or make its scope")
    else:
        yield Check("volume", Level.OK, f"{volume.scope} is mounted at {volume.root}")
    yield from _settings(settings)
    try:
        trial = try_out(volume.root)
    except OSError as error:
        found, follows = f"nothing can be made there: {error.strerror}", "nothing can be registered or removed"
        yield Check("volume's file system", Level.PROBLEM, found, follows, "let this user write there")
        return
    yield from judged(trial, mounts.kind(volume.root), removal_threads(settings))


def _settings(settings: Settings) -> Iterator[Check]:
    if settings.protect_open and settings.if_unknown is None:
        follows = "no manager works on it: nothing here can tell whether another host has a file open"
        advice = "set TEMP_FILE_IF_UNKNOWN to an age in seconds"
        yield Check("files in use elsewhere", Level.PROBLEM, "no age is set", follows, advice)
    if not sets_aside(settings):
        follows = "a file that another host puts in the place of one, between comparison and removal, goes"
        yield Check("paranoid", Level.WARNING, "off", follows, "leave TEMP_FILE_PARANOID unset")
    if not checks_owner(settings):
        follows = "whoever may write records can have this user remove files of others on the volume"
        yield Check("owner check", Level.WARNING, "off", follows, "leave TEMP_FILE_OWNER_CHECK unset")


def judged(trial: Trial, kind: str, threads: int) -> Iterator[Check]:
    """Judge what was found.

    Args:
        trial: It.
        kind: The file system's type.
        threads: How many remove.
    """
    yield _identity(trial, kind)
    for name, good, follows in (
        ("renames", trial.renames, "what was set aside and is another file may be left in the aside folder: see check"),
        (
            "two names of a file",
            trial.links,
            "markers and files that are given back take the place of nothing only by a rename",
        ),
        ("locks", trial.locks, "another host's sweep may put back what this one has set aside: such files go late"),
        ("reading what was removed", trial.open_after_removal, "whoever reads a file that goes gets an error"),
    ):
        yield Check(name, Level.OK, "as they should be") if good else Check(name, Level.WARNING, "not here", follows)
    if trial.remains:
        follows = "a directory stays until whoever has its files open has closed them"
        yield Check("names of open files", Level.OK, f"{len(trial.remains)} left while it is open", follows)
    yield _clock(trial)
    rate = threads / max(trial.removal, 1e-6)
    found = f"{trial.removal * 1000:.2f} ms, so at most {rate:,.0f} a second by {threads} threads"
    yield Check(
        "removals",
        Level.OK,
        found,
        "TEMP_FILE_REMOVAL_THREADS is to be at least files a second times seconds a removal",
    )


def _identity(trial: Trial, kind: str) -> Check:
    name = "identity"
    if trial.born:
        return Check(name, Level.OK, f"{kind} tells birth times", "a file is known again by every host")
    if trial.handle and trial.reused:
        follows = "a file is known again by this host; try with two hosts whether both see the same (docs/volumes.md)"
        return Check(name, Level.OK, f"{kind} tells no birth times, and handles that stay", follows)
    follows = "a file that is written to after it was registered is kept, as nothing can tell whether it is the same"
    advice = "register files when they are complete, or mount by a protocol that tells birth times"
    return Check(name, Level.WARNING, f"{kind} tells neither birth times nor handles that stay", follows, advice)


def _clock(trial: Trial) -> Check:
    name = "clock of the file server"
    found = f"{abs(trial.ahead):.1f} s {'ahead of' if trial.ahead > 0 else 'behind'} this host's"
    if abs(trial.ahead) < FAR_OFF:
        return Check(name, Level.OK, found)
    follows = "files that were rewritten, and adopted ones, are dated by it: they go so much late or early"
    return Check(name, Level.WARNING, found, follows, "keep both by NTP")
