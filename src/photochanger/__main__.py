"""Where the `photochanger` command begins. Light on purpose: every imaging worker imports its parent's main module."""


def main() -> None:
    from photochanger.cli import main as command  # noqa: PLC0415 – a worker must not load the server, see above

    command()


if __name__ == "__main__":
    main()
