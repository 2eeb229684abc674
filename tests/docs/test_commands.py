"""docs/operating.md has a line for each command, with all its options, and none for what does not exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from photochanger.cli import main

PAGE = (Path(__file__).parents[2] / "docs/operating.md").read_text(encoding="utf-8")
LINES = {
    re.split(r" (?=[A-Z\[-])", line, maxsplit=1)[0]: line
    for line in re.findall(r"^\| `(photochanger [^`]+)`", PAGE, re.MULTILINE)
}


def commands(group: click.Command, path: str = "photochanger") -> Iterator[tuple[str, click.Command]]:
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            yield from commands(command, f"{path} {name}")
    elif not group.hidden:
        yield path, group


def test_every_command_has_its_line_and_nothing_else_has():
    assert set(LINES) == {path for path, _ in commands(main)}


def test_every_option_of_a_command_is_in_its_line():
    missing = [
        f"{path} {option.opts[0]}"
        for path, command in commands(main)
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden and option.opts[0] not in LINES.get(path, "")
    ]
    assert missing == []
