"""The completion script for bash, from 3.2 (macOS's) on."""

from collections.abc import Iterable, Iterator
from shlex import quote

from temp_file_manager.cli.completion.grammar import Command, Flag

_SCRIPT = r"""# temp-file-manager and tfm for bash: source <(temp-file-manager completion bash)
_temp_file_manager() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command= at=1
    local flags= values= choices= files= first= arguments= shared=false line
    local settings={settings}
    local setting_values={setting_values}
    local setting_choices={setting_choices}
    local setting_files={setting_files}
    COMPREPLY=()
    # --flag=VALUE comes as three words.
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]]; then
        before=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    # Settings may come before the command, which is the first word that is neither a flag nor its value.
    while (( at < COMP_CWORD )); do
        line=${{COMP_WORDS[at]}}
        if [[ $line != -* ]]; then
            command=$line
            break
        elif [[ ${{COMP_WORDS[at+1]}} == = ]]; then
            (( at += 3 ))
        elif [[ " $setting_values $setting_files --config " == *" $line "* ]]; then
            (( at += 2 ))
        else
            (( at += 1 ))
        fi
    done
    if [[ -z $command ]]; then
        arguments={commands} shared=true
        flags="--config --json --version --help" files=--config
    fi
    case $command in
{cases}
    esac
    if $shared; then
        flags="$flags $settings" values="$values $setting_values" files="$files $setting_files"
        choices="$choices $setting_choices"
    fi
    if (( COMP_CWORD == at + 1 )) && [[ -n $first ]]; then
        arguments=$first
    fi
    if [[ " $values " == *" $before "* ]]; then
        arguments=
        for line in $choices; do
            if [[ $line == "$before="* ]]; then
                arguments="$arguments ${{line#*=}}"
            fi
        done
    elif [[ " $files " == *" $before "* ]]; then
        arguments=FILES
    elif [[ $word == -* ]]; then
        arguments=$flags
    fi
    if [[ $arguments == FILES ]]; then
        # Fails in bash 3.2, which has no compopt, and where not readline but a test asks.
        compopt -o filenames 2>/dev/null || true
        while IFS= read -r line; do
            COMPREPLY+=("$line")
        done < <(compgen -f -- "$word")
    else
        while IFS= read -r line; do
            COMPREPLY+=("$line")
        done < <(compgen -W "$arguments" -- "$word")
    fi
}}
complete -F _temp_file_manager temp-file-manager tfm
"""

_CASE = """    {name})
        flags={flags}
        values={values}
        choices={choices}
        files={files}
        first={first}
        arguments={arguments}
        shared={shared}
        ;;"""


def script(commands: Iterable[Command]) -> str:
    """Return the script."""
    known = tuple(commands)
    names = " ".join(command.name for command in known)
    settings = dict.fromkeys(flag for command in known for flag in command.flags if flag.setting)
    return _SCRIPT.format(
        settings=_words(settings),
        setting_values=_words(_with_values(settings)),
        setting_choices=_choices(settings),
        setting_files=_words(_with_files(settings)),
        commands=quote(names),
        cases="\n".join(map(_case, known)),
    )


def _case(command: Command) -> str:
    flags = [flag for flag in command.flags if not flag.setting]
    return _CASE.format(
        name=command.name,
        flags=_words(flags),
        values=_words(_with_values(flags)),
        choices=_choices(flags),
        files=_words(_with_files(flags)),
        first=quote(" ".join(command.choices)) if command.files else "",
        shared="true" if len(flags) < len(command.flags) else "false",
        arguments="FILES" if command.files else quote(" ".join(command.choices)),
    )


def _with_values(flags: Iterable[Flag]) -> Iterator[Flag]:
    return (flag for flag in flags if flag.value and not flag.files)


def _with_files(flags: Iterable[Flag]) -> Iterator[Flag]:
    return (flag for flag in flags if flag.files)


def _choices(flags: Iterable[Flag]) -> str:
    return quote(" ".join(f"{name}={choice}" for flag in flags for name in flag.names for choice in flag.choices))


def _words(flags: Iterable[Flag]) -> str:
    return quote(" ".join(name for flag in flags for name in flag.names))
