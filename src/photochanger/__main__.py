"""Where the `photochanger` command begins. Light on purpose: every imaging worker imports its parent's main module, and
a booth's PC runs the tools without the server.
"""

import sys


def main() -> None:
    from photochanger.booth.commands import tools  # noqa: PLC0415 – a worker must load neither, see above

    if sys.argv[1:2] and sys.argv[1] in tools.commands:
        tools(prog_name="photochanger")
    else:
        from photochanger.cli import main as command  # noqa: PLC0415

        command()


if __name__ == "__main__":
    main()
