"""A verb that takes yes-and-no options in whisper's way, with a word behind them: `--word_timestamps True`."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

YES_AND_NO = ("--word-timestamps", "--highlight-words")
VALUES = {"True": "", "true": "", "False": "no-", "false": "no-"}


class WhisperCommand(TyperCommand):
    """Reads `--word-timestamps False` as `--no-word-timestamps`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the value of a yes-and-no option into its name, then go on as usual."""
        return super().parse_args(ctx, plain_flags(args))


def plain_flags(arguments: list[str]) -> list[str]:
    """`--name True` and `--name=True` as `--name`, with False as `--no-name`; what stands behind "--" is left alone."""
    found: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            return [*found, argument, *rest]
        given, equals, value = argument.partition("=")
        name = given.replace("_", "-")
        if name in YES_AND_NO and (value in VALUES if equals else bool(rest) and rest[0] in VALUES):
            argument = "--" + VALUES[value if equals else rest.pop(0)] + name[2:]
        found.append(argument)
    return found
