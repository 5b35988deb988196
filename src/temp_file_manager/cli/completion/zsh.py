"""The completion script for zsh."""

from collections.abc import Iterable, Iterator
from shlex import quote

from temp_file_manager.cli.completion.grammar import Command, Flag

_SCRIPT = r"""#compdef temp-file-manager tfm
# temp-file-manager and tfm for zsh: source <(temp-file-manager completion zsh), after compinit
_temp_file_manager() {{
    local -a known
    known=(
{commands}
    )
    # Settings may come before the command, which is the first word that is neither a flag nor its value.
    while (( CURRENT > 2 )) && [[ $words[2] == -* ]]; do
        if [[ $words[2] == *=* || $words[2] == --json ]]; then
            shift words
            (( CURRENT-- ))
        elif (( CURRENT > 3 )); then
            shift 2 words
            (( CURRENT -= 2 ))
        else
            _files
            return
        fi
    done
    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
        _describe command known
        return
    fi
    local command=run
    if [[ $words[2] != -* ]]; then
        command=$words[2]
        shift words
        (( CURRENT-- ))
    fi
    case $command in
{cases}
    esac
}}
if [[ $funcstack[1] == _temp-file-manager ]]; then
    _temp_file_manager "$@"
else
    compdef _temp_file_manager temp-file-manager tfm
fi
"""


def script(commands: Iterable[Command]) -> str:
    """Return the script."""
    known = tuple(commands)
    described = (f"        {quote(f'{command.name}:{command.about}')}" for command in known)
    return _SCRIPT.format(commands="\n".join(described), cases="\n".join(map(_case, known)))


def _case(command: Command) -> str:
    specifications = [spec for flag in command.flags for spec in _flag(flag)]
    if command.choices:
        specifications.append(f":word:({' '.join(command.choices)})")
    if command.files:
        specifications.append("*:file:_files")
    lines = " \\\n".join(f"            {quote(spec)}" for spec in specifications)
    return f"    {command.name})\n        _arguments \\\n{lines}\n        ;;"


def _flag(flag: Flag) -> Iterator[str]:
    offered = f"({' '.join(flag.choices)})" if flag.choices else "_files" if flag.files else " "
    value = f":{flag.value}:{offered}" if flag.value else ""
    before = "*" if flag.repeatable else f"({' '.join(flag.names)})"
    for name in flag.names:
        yield f"{before}{name}{'=' if value and name.startswith('--') else ''}[{_escaped(flag.about)}]{value}"


def _escaped(text: str) -> str:
    for special in "\\[]:":
        text = text.replace(special, "\\" + special)
    return text
