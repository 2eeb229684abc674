"""What every store must do. Nothing here knows which store it is."""

import asyncio
import hashlib
import sys
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from photochanger.adapters.storage.store import ObjectMissing, ObjectStore, OpenUpload, StorageUnavailable
from photochanger.core.limits import MIB
from tests.support.stores import Bench
from tests.support.streams import CHUNK_BYTES, PausedStream, noise, read_all, stream

REPOSITORY = Path(__file__).parents[2]
NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
NEAR = timedelta(seconds=5)
KEY = "result/slot-001/2026/11/21/01939e2b-0000-7000-8000-000000000001-abc123.jpg"
OTHER = "result/slot-001/2026/11/21/01939e2b-0000-7000-8000-000000000002-abc123.jpg"
JPEG = "image/jpeg"
ESCAPES = [
    *(
        "",
        "/",
        "/etc/passwd",
        "..",
        "../outside",
        "a/../../outside",
        "a/./b",
        "a//b",
        "a/",
        "/a",
        ".hidden",
        "a/.uploads/b",
    ),
    *(".uploads/b", "a\\..\\b", "a\0b", "a\n", "a b", "ä.jpg", "a,b", "a~b", "k" * 201),
]


async def put(store: ObjectStore, key: str, data: bytes) -> None:
    await store.put(key, stream(data), content_type=JPEG)


async def read(store: ObjectStore, key: str, start: int = 0, length: int | None = None) -> bytes:
    async with store.get(key, start=start, length=length) as chunks:
        return await read_all(chunks)


async def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return sorted([found.key async for found in store.list(prefix)])


async def uploads(store: ObjectStore) -> list[OpenUpload]:
    return [upload async for upload in store.open_uploads()]


async def assert_nothing_is_left(bench: Bench) -> None:
    assert await keys(bench.store) == []
    assert await uploads(bench.store) == []
    assert await bench.leftovers() == []


async def broken(data: bytes, error: BaseException) -> AsyncIterator[bytes]:
    async for chunk in stream(data):
        yield chunk
    raise error


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, "part - 1", "part", "part + 1", 20 * MIB])
async def test_what_is_put_is_what_is_got(bench: Bench, size: int | str) -> None:
    sizes = {"part - 1": bench.part_bytes - 1, "part": bench.part_bytes, "part + 1": bench.part_bytes + 1}
    data = noise(size if isinstance(size, int) else sizes[size])
    stored = await bench.store.put(KEY, stream(data, 40_000), content_type=JPEG)
    assert (stored.key, stored.size_bytes) == (KEY, len(data))
    listed = [found async for found in bench.store.list()]
    assert listed == [await bench.store.head(KEY)]
    assert [(found.key, found.size_bytes) for found in listed] == [(KEY, len(data))]
    assert hashlib.sha256(await read(bench.store, KEY)).digest() == hashlib.sha256(data).digest()


async def test_the_time_of_an_object_is_when_it_was_put(bench: Bench) -> None:
    stored = await bench.store.put(KEY, stream(b"photo"), content_type=JPEG)
    [listed] = [found async for found in bench.store.list()]
    for found in (stored, listed):
        assert abs(found.modified_at - bench.clock.now()) < NEAR


async def test_an_object_is_invisible_until_it_is_whole(bench: Bench) -> None:
    data = noise(bench.part_bytes * 2 + 5)
    source = PausedStream(data[:-5], data[-5:])
    upload = asyncio.create_task(bench.store.put(KEY, source.chunks(), content_type=JPEG))
    await source.paused.wait()
    assert await bench.store.head(KEY) is None
    assert await keys(bench.store) == []
    with pytest.raises(ObjectMissing):
        await read(bench.store, KEY)
    source.go.set()
    await upload
    assert await read(bench.store, KEY) == data
    assert await uploads(bench.store) == []


@pytest.mark.parametrize("error", [ValueError("bad framing"), ConnectionResetError(), TimeoutError()])
@pytest.mark.parametrize("parts", [0, 2])
async def test_a_failing_stream_leaves_nothing_and_its_error_unchanged(
    bench: Bench, error: Exception, parts: int
) -> None:
    with pytest.raises(type(error)) as raised:
        await bench.store.put(KEY, broken(noise(bench.part_bytes * parts), error), content_type=JPEG)
    assert raised.value is error
    await assert_nothing_is_left(bench)


async def test_cancellation_in_the_middle_leaves_nothing(bench: Bench) -> None:
    source = PausedStream(noise(bench.part_bytes * 2))
    upload = asyncio.create_task(bench.store.put(KEY, source.chunks(), content_type=JPEG))
    await source.paused.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    await assert_nothing_is_left(bench)


async def test_cancellation_at_any_moment_leaves_all_or_nothing(bench: Bench) -> None:
    data = noise(bench.part_bytes + 1)
    for turns in range(40):
        upload = asyncio.create_task(put(bench.store, KEY, data))
        for _ in range(turns):
            await asyncio.sleep(0)
        upload.cancel()
        try:
            await upload
        except asyncio.CancelledError:
            await assert_nothing_is_left(bench)
        else:
            assert await read(bench.store, KEY) == data
            await bench.store.delete(KEY)


async def test_an_overwritten_object_is_the_old_one_until_the_new_one_is_whole(bench: Bench) -> None:
    old, new = noise(bench.part_bytes + 1, 1), noise(bench.part_bytes * 2, 2)
    await put(bench.store, KEY, old)
    source = PausedStream(new[:-1], new[-1:])
    upload = asyncio.create_task(bench.store.put(KEY, source.chunks(), content_type=JPEG))
    await source.paused.wait()
    assert await read(bench.store, KEY) == old
    source.go.set()
    await upload
    assert await read(bench.store, KEY) == new


async def test_a_failed_overwrite_keeps_the_old_object(bench: Bench) -> None:
    await put(bench.store, KEY, b"old")
    with pytest.raises(ValueError, match="cut"):
        await bench.store.put(KEY, broken(noise(bench.part_bytes * 2), ValueError("cut")), content_type=JPEG)
    assert await read(bench.store, KEY) == b"old"


@pytest.mark.parametrize(
    ("start", "length"),
    [
        (0, 1),
        (1, 2),
        (300_000, 400_000),
        (999_999, 1),
        (999_990, 100),
        (1_000_000, 5),
        (2_000_000, None),
        (7, None),
        (3, 0),
    ],
)
async def test_a_range_is_what_slicing_gives(store: ObjectStore, start: int, length: int | None) -> None:
    data = noise(1_000_000)
    await put(store, KEY, data)
    end = None if length is None else start + length
    assert await read(store, KEY, start, length) == data[start:end]


async def test_chunks_are_bounded(bench: Bench) -> None:
    await put(bench.store, KEY, noise(3 * MIB))
    async with bench.store.get(KEY) as chunks:
        sizes = [len(chunk) async for chunk in chunks]
    assert sum(sizes) == 3 * MIB
    assert max(sizes) <= MIB


async def test_a_missing_object_is_missed_on_entering(store: ObjectStore) -> None:
    await put(store, KEY, b"photo")
    for missing in (OTHER, "result", f"{KEY}/below"):
        assert await store.head(missing) is None
        with pytest.raises(ObjectMissing):
            await store.get(missing, start=3, length=1).__aenter__()


async def test_deleting_twice_is_success(bench: Bench) -> None:
    await put(bench.store, KEY, b"photo")
    await put(bench.store, OTHER, b"other")
    await bench.store.delete(KEY)
    await bench.store.delete(KEY)
    await bench.store.delete("result/slot-009/never.jpg")
    assert await keys(bench.store) == [OTHER]
    await bench.store.delete(OTHER)
    await assert_nothing_is_left(bench)


async def test_list_goes_by_the_keys_beginning(store: ObjectStore) -> None:
    everything = ["result/slot-001/a.jpg", "result/slot-001/b.jpg", "result/slot-010/a.jpg", "source/-/a.jpg"]
    for key in everything:
        await put(store, key, b"photo")
    assert await keys(store) == everything
    assert await keys(store, "result/slot-001/") == everything[:2]
    assert await keys(store, "result/slot-0") == everything[:3]
    assert await keys(store, "result/slot-001/b") == everything[1:2]
    assert await keys(store, "sou") == everything[3:]
    assert await keys(store, "template/") == []


async def test_list_is_complete_beyond_one_batch(store: ObjectStore) -> None:
    everything = [f"source/slot-001/{number:04}.jpg" for number in range(1100)]
    await asyncio.gather(*(put(store, key, b"") for key in everything))
    assert await keys(store, "source/") == everything


async def test_a_running_upload_is_open_with_its_key_and_start(bench: Bench) -> None:
    source = PausedStream(noise(bench.part_bytes * 2))
    upload = asyncio.create_task(bench.store.put(KEY, source.chunks(), content_type=JPEG))
    await source.paused.wait()
    [found] = await uploads(bench.store)
    assert found.key == KEY
    assert abs(found.started_at - bench.clock.now()) < NEAR
    source.go.set()
    await upload
    assert await uploads(bench.store) == []


@pytest.mark.parametrize("parts_after", [0, 2])
async def test_an_aborted_upload_fails_and_leaves_nothing(bench: Bench, parts_after: int) -> None:
    source = PausedStream(noise(bench.part_bytes * 2), noise(bench.part_bytes * parts_after))
    upload = asyncio.create_task(bench.store.put(KEY, source.chunks(), content_type=JPEG))
    await source.paused.wait()
    [found] = await uploads(bench.store)
    await bench.store.abort(found)
    await bench.store.abort(found)
    source.go.set()
    with pytest.raises(StorageUnavailable):
        await upload
    await assert_nothing_is_left(bench)


async def test_a_presigned_link_works_until_it_expires(bench: Bench) -> None:
    await put(bench.store, KEY, b"photo")
    now = bench.clock.now()
    lasting = await bench.store.presign(KEY, expires_at=now + timedelta(minutes=10), now=now)
    ending = await bench.store.presign(KEY, expires_at=now + timedelta(seconds=1), now=now)
    await bench.pass_time(1)
    assert await bench.fetch(ending) is None
    assert await bench.fetch(lasting) == b"photo"


async def test_a_presigned_link_gives_one_object_only(bench: Bench) -> None:
    await put(bench.store, KEY, b"photo")
    await put(bench.store, OTHER, b"other")
    link = await bench.store.presign(KEY, expires_at=NOW + timedelta(seconds=60), now=NOW)
    assert await bench.store.presign(OTHER, expires_at=NOW + timedelta(seconds=60), now=NOW) != link
    changed = link[:-1] + ("A" if link[-1] != "A" else "B")
    assert await bench.fetch(changed) is None


async def test_many_puts_and_deletes_at_once_do_not_meet(bench: Bench) -> None:
    """All in one folder, which the deletes keep emptying."""

    async def come_and_go(number: int) -> None:
        key = f"source/slot-001/2026/11/21/{number}.jpg"
        data = noise(10_000, number)
        for _ in range(5):
            await put(bench.store, key, data)
            assert await read(bench.store, key) == data
            await bench.store.delete(key)
            assert await bench.store.head(key) is None

    await asyncio.gather(*(come_and_go(number) for number in range(20)))
    await assert_nothing_is_left(bench)


@pytest.mark.parametrize("key", ESCAPES)
async def test_a_key_that_leads_elsewhere_is_refused(bench: Bench, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        await put(bench.store, key, b"photo")
    with pytest.raises(ValueError, match="not a key"):
        await bench.store.get(key).__aenter__()
    with pytest.raises(ValueError, match="not a key"):
        await bench.store.head(key)
    with pytest.raises(ValueError, match="not a key"):
        await bench.store.delete(key)
    with pytest.raises(ValueError, match="not a key"):
        await bench.store.presign(key, expires_at=NOW, now=NOW)
    with pytest.raises(ValueError, match="not a key"):
        await bench.store.abort(OpenUpload(key, "01939e2b-0000-7000-8000-000000000001", NOW))
    await assert_nothing_is_left(bench)


@pytest.mark.parametrize("prefix", ["/", "..", "../", "a/../b", ".uploads/", "a//"])
async def test_a_list_that_leads_elsewhere_is_refused(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(ValueError, match="not the beginning of a key"):
        await keys(store, prefix)


async def test_a_process_killed_while_uploading_leaves_only_an_open_upload(bench: Bench) -> None:
    arguments = ["-m", "tests.support.hanging_put", bench.maker, bench.location, KEY]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"uploading\n"
    process.kill()
    await process.communicate()
    assert await keys(bench.store) == []
    assert await bench.store.head(KEY) is None
    [found] = await uploads(bench.store)
    assert found.key == KEY
    await bench.store.abort(found)
    await assert_nothing_is_left(bench)


async def test_memory_stays_flat_however_large_the_object(bench: Bench) -> None:
    async def zeros() -> AsyncIterator[bytes]:
        for _ in range(64 * MIB // CHUNK_BYTES):
            yield bytes(CHUNK_BYTES)

    tracemalloc.start()
    try:
        await bench.store.put(KEY, zeros(), content_type=JPEG)
        size = 0
        async with bench.store.get(KEY) as chunks:
            async for chunk in chunks:
                size += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == 64 * MIB
    assert peak < 5 * bench.part_bytes + 4 * MIB


async def test_a_healthy_store_passes_its_check_and_is_as_before(bench: Bench) -> None:
    await bench.store.check()
    await assert_nothing_is_left(bench)
