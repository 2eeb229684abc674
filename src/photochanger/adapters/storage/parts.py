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
