"""A process in the middle of an upload, to be killed: `python -m tests.support.hanging_put MAKER LOCATION KEY`."""

import asyncio
import sys

from photochanger.web.log import configure
from tests.support.stores import MAKERS
from tests.support.streams import PausedStream


async def main(maker: str, location: str, key: str) -> None:
    configure("warning")  # standard output is for the line below
    bench = MAKERS[maker](location)
    source = PausedStream(bytes(bench.part_bytes * 2))
    upload = asyncio.create_task(bench.store.put(key, source.chunks(), content_type="image/jpeg"))
    await source.paused.wait()
    print("uploading", flush=True)  # noqa: T201
    await upload


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
