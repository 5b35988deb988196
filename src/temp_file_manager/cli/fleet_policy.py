"""The fleet's policies, asked before a command removes anything."""

from temp_file_manager.context import Context


def heed(context: Context) -> None:
    """Tell the fleet's server how it is here, take its policies, and return if files may be removed.

    A command that runs once a night has nothing else that tells it of a pause. It waits 5 s at most for a server that
    does not answer; then the policies known last are in force.

    Raises:
        PausedError: a policy has paused sweeps.
    """
    if context.settings.fleet is None:
        return
    from temp_file_manager.inspection.fleet import Reporter  # noqa: PLC0415 - slow to import, and few have a fleet

    Reporter(context).try_once()
    context.policies.refuse_paused()
