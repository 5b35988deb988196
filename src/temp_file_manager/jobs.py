"""Jobs of a manager that was started: its work at intervals, in an application and in ``run`` alike."""

from collections.abc import Callable
from dataclasses import replace

from temp_file_manager import logs
from temp_file_manager.adopt.scratch import clear_left
from temp_file_manager.context import Context
from temp_file_manager.errors import LargeSweepError
from temp_file_manager.events import SweepFailed
from temp_file_manager.fleet import lines
from temp_file_manager.records import Selection
from temp_file_manager.reports import SweepReport
from temp_file_manager.sweeping.history import STEPS
from temp_file_manager.sweeping.scheduler import (
    FLEET,
    LIMITS,
    MEASURE,
    OBJECTS,
    RULES,
    SAMPLE,
    SWEEP,
    WATCH,
    Job,
    Stop,
)
from temp_file_manager.sweeping.sessions import end_over
from temp_file_manager.sweeping.sweep import Bounds


def sweep_job(context: Context) -> Job:
    """Return the job that adopts what is new in marked directories, and sweeps."""
    from temp_file_manager.adopt.watched import adopt_watched  # noqa: PLC0415 - slow to import, and not all start

    def work(stop: Stop) -> None:
        adopt_watched(context, stop=stop)
        sweep(context, stop)

    def failed(error: Exception) -> None:
        context.hooks.emit(SweepFailed(error))  # first: a hook that raises is counted, a handler of the log is not
        logs.sweep_failed(error)

    return Job(SWEEP, context.settings.cleanup_interval, work, failed)


def sample_job(context: Context) -> Job:
    """Return the job that notes how much there is."""
    return Job(SAMPLE, min(STEPS), lambda _: context.history.sample(), logs.sample_failed)


def limits_job(context: Context) -> Job | None:
    """Return the job that looks at the limits, and sweeps where one is passed; None where there are none."""
    states = context.evictor.states
    if not states.limits and not context.policies.heeded:  # a policy may bring some
        return None

    def work(stop: Stop) -> None:
        context.closed.tell()
        # Again at once where files came faster than others went; another process may be at it, and then none went.
        while states.is_pressed() and sweep(context, stop).evicted and not stop():
            pass

    return Job(LIMITS, states.rest, work, logs.limits_failed)


PATIENCE = 5.0
"""Seconds that stopping waits for a slice of measuring, which takes a tenth of one."""


def measure_job(context: Context) -> Job | None:
    """Return the job that measures files; None where no sizes are kept."""
    measuring = context.measuring
    if not context.registry.properties.keeps_identity:
        return None
    return Job(MEASURE, lambda: measuring.rest, measuring.slice, logs.measure_failed, patience=PATIENCE)


def rules_job(context: Context) -> Job | None:
    """Return the job that puts rules in force; None where there are none."""
    ruling = context.ruling
    if not ruling.has_rules:
        return None
    return Job(RULES, lambda: ruling.rest, ruling.slice, logs.rules_failed, patience=PATIENCE)


def watch_job(context: Context) -> Job | None:
    """Return the job that adopts from watched directories what they are told to have; None where nothing is adopted."""
    if not context.registry.properties.keeps_identity:
        return None
    from temp_file_manager.adopt.changed_directories import ChangedDirectories  # noqa: PLC0415 - slow to import, and not all start

    changed, finish = ChangedDirectories(context), context.changes.close
    rest, pause, failed = changed.rest, changed.pause, logs.watch_failed
    return Job(WATCH, rest, changed.look, failed, patience=PATIENCE, pause=pause, finish=finish)


def fleet_job(context: Context) -> Job | None:
    """Return the job that tells the fleet's server how this manager is, and takes its policies; None without one."""
    if context.settings.fleet is None:
        return None
    from temp_file_manager.inspection.fleet import Reporter  # noqa: PLC0415 - slow to import, and few have a fleet

    reporter = Reporter(context)
    # Nobody waits for a server that does not answer.
    return Job(FLEET, reporter.rest, reporter.work, reporter.failed, patience=1.0, finish=reporter.leave)


def objects_job(context: Context) -> Job | None:
    """Return the job that deletes objects whose keys have expired; None where no bucket is named."""
    settings = context.settings
    if not settings.expiring_objects:
        return None
    from temp_file_manager.sweeping.expired_objects import failed, sweep_expired  # noqa: PLC0415 - few have buckets

    def work(stop: Stop) -> None:
        sweep_expired(settings.expiring_objects, context.registry, context.clock, stop)

    return Job(OBJECTS, settings.cleanup_interval, work, failed, patience=PATIENCE)


JOBS: tuple[Callable[[Context], Job | None], ...] = (
    sweep_job,
    limits_job,
    sample_job,
    measure_job,
    rules_job,
    watch_job,
    fleet_job,
    objects_job,
)
"""Each row makes a job for a context that has work for it."""


def jobs(context: Context) -> tuple[Job, ...]:
    """Return what a started manager does at intervals."""
    return tuple(job for job in (row(context) for row in JOBS) if job is not None)


def sweep(context: Context, stop: Stop) -> SweepReport:
    """Sweep as a scheduler does: patient, by a clock that is trusted, and past no change of settings unasked.

    What is due goes first, then what limits take. While a policy of the fleet has paused sweeps, nothing does.
    """
    context.policies.refresh()
    if context.policies.pausing is not None:
        lines.paused(context.policies.pausing)
        return SweepReport()
    settings = context.settings
    due = Selection(context.clock_guard.read().asof, context.max_age, patient=True)
    end_over(context.registry, due.asof)
    context.ruling.slice(stop)
    clear_left(context, stop)
    try:
        context.large_sweep_guard.check(due, now=context.clock.elapsed(), stop=stop)
    except LargeSweepError as error:
        logs.sweep_held(error)
        due = replace(due, max_age=error.former["max_age"])  # ordinary expiry goes on as before
    bounds = Bounds(budget=settings.cleanup_timeout, stop=stop)
    storage = context.storage_for(protect_open=settings.protect_open)
    report = context.sweeper.run(due, bounds, storage, scheduled=True)
    context.large_sweep_guard.completed(due, report)
    # As much time again, not what is left: what is due may be so much that no limit would ever have its turn.
    report += context.evictor.evict(due, bounds, scheduled=True)
    context.directories.remove(due)
    return report
