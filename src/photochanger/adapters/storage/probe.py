"""One small object, written, read and deleted: whether a store works, the same way for every store."""

from collections.abc import AsyncIterator
from datetime import datetime

from photochanger.adapters.storage.store import ObjectMissing, ObjectStore, StorageUnavailable
from photochanger.core.ids import new_id


async def probe(store: ObjectStore, now: datetime, advice: str) -> None:
    """StorageUnavailable with `advice` where the store took the bytes and did not keep them."""
    key = f"check/{new_id(now)}-check.bin"
    written = key.encode()
    await store.put(key, one(written), content_type="application/octet-stream", size_bytes=len(written))
    try:
        async with store.get(key) as chunks:
            found = b"".join([chunk async for chunk in chunks])
    except ObjectMissing:
        raise StorageUnavailable(f"what was just written is gone: {advice}") from None
    finally:
        await store.delete(key)
    if found != written:
        raise StorageUnavailable(f"what was just written reads differently: {advice}")


async def one(data: bytes) -> AsyncIterator[bytes]:
    yield data
