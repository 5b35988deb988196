"""``unpin``: let sweeps have files again."""

import argparse

from temp_file_manager.cli import open_manager, options, paths, render
from temp_file_manager.storage.paths import absolute_all


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "unpin",
        "let sweeps have pinned files again",
        execute,
        words="[-0] PATH...",
        more="What is registered and not pinned may be unpinned. The exit code is 1 if any of them is not registered.",
        json="print the counts as a JSON object",
    )
    paths.add_paths(parser)
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Unpin files and print how many; return 1 if any of the paths is not registered.

    Raises:
        TempFileError: a setting, a path or the registry cannot be used.
    """
    refuse = paths.Refusals()
    unpinned = 0
    with open_manager.open_manager(args) as manager:
        for batch in paths.batches(args, refuse):
            asked = list(dict.fromkeys(absolute_all(batch, "unpin")))
            known = set(manager.registry.release(asked))
            unpinned += len(known)
            for path in asked:
                if path not in known:
                    refuse(path, "not registered")
    if args.json:
        render.as_json({"unpinned": unpinned, "not_registered": refuse.count}, indent=None)
    else:
        render.line(f"{render.count(unpinned, 'file')} unpinned.")
    return 1 if refuse.count else 0
