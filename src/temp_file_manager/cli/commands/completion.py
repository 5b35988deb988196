"""The command ``completion``: a script that teaches a shell to complete the commands, their flags and file names."""

import argparse

from temp_file_manager.cli import options, render
from temp_file_manager.cli.completion import grammar


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    about = "print a script that lets a shell complete what you type"
    parser = commands.add_parser(
        "completion",
        help=about,
        description=f"{about[:1].upper()}{about[1:]}. For this shell: source <({render.PROGRAM} completion bash); for "
        "each: the same line in ~/.bashrc or, after compinit, in ~/.zshrc. In fish: "
        f"{render.PROGRAM} completion fish | source, and for each: that in ~/.config/fish/config.fish.",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")
    options.add_json(parser, "print the script as a string in a JSON object")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print the script; return 0."""
    from temp_file_manager.cli.completion import bash, fish, zsh  # noqa: PLC0415 - no other command needs them

    write = {"bash": bash.script, "zsh": zsh.script, "fish": fish.script}[args.shell]
    script = write(grammar.commands(args.parsers))
    if args.json:
        render.as_json({"shell": args.shell, "script": script}, indent=None)
    else:
        for line in script.splitlines():
            render.line(line)
    return 0
