"""Options that the tools share, and where a password comes from: never the command line, which everybody can read."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar
from urllib.parse import urlsplit

import click

F = TypeVar("F", bound=Callable[..., Any] | click.Command)
OK, PROBLEMS, CANNOT_RUN = 0, 1, 2

slot_option = click.option("--slot", required=True, help="For example slot-001.")


def _server_address(_: click.Context, __: click.Parameter, url: str) -> str:
    try:
        found = urlsplit(url)
        is_one = found.scheme in {"http", "https"} and bool(found.hostname) and found.port != 0
    except ValueError:
        is_one = False
    if not is_one:
        raise click.BadParameter(f"{url} is no address of a server.")
    return url


url_option = click.option(
    "--url",
    default="http://127.0.0.1:8000",
    show_default=True,
    callback=_server_address,
    help="The server's address.",
)
password_stdin_option = click.option(
    "--password-stdin", is_flag=True, help="Read the slot's password from standard input; else it is asked."
)
password_file_option = click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the slot's password from the first line of a file; for what starts by itself.",
)
every_option = click.option(
    "--every",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0.1, 60),
    help="Seconds between two looks.",
)


def out_option(what: str, *, default: str | None = None) -> Callable[[F], F]:
    """The folder for `what`; it is made."""
    return click.option(
        "--out",
        default=default,
        required=default is None,
        type=click.Path(file_okay=False, path_type=Path),
        help=f"Folder for {what}.",
    )


def slot_password(slot: str, *, stdin: bool, file: Path | None) -> str:
    if stdin:
        return first_line(sys.stdin)
    if file is not None:
        with file.open(encoding="utf-8-sig") as lines:  # Windows' editors begin files with a mark
            return first_line(lines)
    password: str = click.prompt(f"Password of {slot}", hide_input=True, err=True)
    return password


def first_line(lines: TextIO) -> str:
    """Its line end is not part of a password."""
    return lines.readline().removesuffix("\n").removesuffix("\r")


def fail(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(CANNOT_RUN)
