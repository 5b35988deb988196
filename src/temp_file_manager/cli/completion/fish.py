"""The completion script for fish."""

from collections.abc import Iterable, Iterator

from temp_file_manager.cli.completion.grammar import Command, Flag

_PROGRAMS = ("temp-file-manager", "tfm")

_BEGIN = "# temp-file-manager and tfm for fish: temp-file-manager completion fish | source"


def script(commands: Iterable[Command]) -> str:
    """Return the script."""
    known = tuple(commands)
    lines = [line for program in _PROGRAMS for line in _lines(program, known)]
    return "\n".join([_BEGIN, *lines, ""])


def _lines(program: str, commands: tuple[Command, ...]) -> Iterator[str]:
    names = " ".join(command.name for command in commands)
    before = f"complete -c {program} -n 'not __fish_seen_subcommand_from {names}' -f"
    yield f"{before} -l version -d 'the same as the command version'"
    for command in commands:
        yield f"{before} -a {command.name} -d {_quoted(command.about)}"
        within = f"complete -c {program} -n '__fish_seen_subcommand_from {command.name}'"
        if not command.files:
            yield f"{within} -f"
        if command.choices:
            yield f"{within} -a {_quoted(' '.join(command.choices))}"
        for flag in command.flags:
            yield f"{within} {_flag(flag)}"


def _flag(flag: Flag) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names)
    value = "" if not flag.value else " -r -F" if flag.files else " -x"
    if flag.choices:
        value += f" -a {_quoted(' '.join(flag.choices))}"
    return f"{names}{value} -d {_quoted(flag.about)}"


def _quoted(text: str) -> str:
    # In fish's single quotes a backslash and a quote alone are special.
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
