"""Cuts a byte stream anew: senders choose their chunks, disks and buckets want larger ones."""

from collections.abc import AsyncGenerator, AsyncIterable


async def regroup(chunks: AsyncIterable[bytes], size: int) -> AsyncGenerator[bytes, None]:
    """The same bytes in parts of exactly `size`, the last one shorter; no part for an empty stream.

    Holds one unfinished part and the chunk at hand, nothing else.
    """
    held = bytearray()
    async for chunk in chunks:
        rest = memoryview(chunk)
        while len(held) + len(rest) >= size:
            missing = size - len(held)
            yield b"".join((held, rest[:missing]))
            held.clear()
            rest = rest[missing:]
        held += rest
    if held:
        yield bytes(held)


async def refill(chunks: AsyncIterable[bytes], buffer: memoryview) -> AsyncGenerator[tuple[memoryview, bool], None]:
    """The same bytes in parts that fill `buffer`, each valid until the next is asked for, and whether it is the last.

    A part is given when a byte of the next one is there, so a stream of one part or less gives one, which is the last.
    """
    used = 0
    async for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            if used == len(buffer):
                yield buffer, False
                used = 0
            taken = min(len(rest), len(buffer) - used)
            buffer[used : used + taken] = rest[:taken]
            used += taken
            rest = rest[taken:]
    yield buffer[:used], True
