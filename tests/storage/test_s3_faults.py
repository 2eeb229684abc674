"""What the bucket store does when the server, or the way to it, fails: right words, nothing left, soon well again."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError

from photochanger.adapters.storage.s3 import S3Store
from photochanger.adapters.storage.s3_errors import S3Failed
from photochanger.adapters.storage.store import ObjectMissing, OpenUpload, StorageUnavailable
from photochanger.core.clock import SystemClock
from photochanger.core.errors import Problem
from photochanger.core.limits import MIB, PART_BYTES
from tests.support.fault_proxy import FaultProxy, request
from tests.support.s3 import S3Address, leftovers, own_place
from tests.support.stores import settings_of
from tests.support.streams import PausedStream, noise, read_all, stream

pytestmark = pytest.mark.s3
KEY = "source/slot-001/a-b.jpg"
JPEG = "image/jpeg"
SMALL = noise(100_000)
LARGE = noise(PART_BYTES * 2 + 5)


@pytest.fixture
def place() -> S3Address:
    return own_place()


@pytest.fixture
async def proxy(place: S3Address) -> AsyncIterator[FaultProxy]:
    proxy = FaultProxy(place.port)
    async with proxy.listening():
        yield proxy


@asynccontextmanager
async def opened(address: S3Address) -> AsyncIterator[S3Store]:
    store = S3Store(settings_of(address), clock=SystemClock())
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def store(proxy: FaultProxy, place: S3Address) -> AsyncIterator[S3Store]:
    """Behind the proxy."""
    async with opened(msgspec.structs.replace(place, endpoint=f"http://127.0.0.1:{proxy.port}")) as store:
        yield store


async def put(store: S3Store, data: bytes) -> None:
    await store.put(KEY, stream(data), content_type=JPEG)


async def read(store: S3Store) -> bytes:
    async with store.get(KEY) as chunks:
        return await read_all(chunks)


async def reason_of_put(store: S3Store, data: bytes) -> str:
    with pytest.raises(StorageUnavailable) as raised:
        await put(store, data)
    assert raised.value.code == "storage-unavailable"
    for secret in (store.settings.secret_key, store.settings.access_key, "127.0.0.1", "http"):
        assert secret not in raised.value.reason
    return raised.value.reason


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(("fault", "says"), [("refuse", "check S3_ENDPOINT"), ("slow_down", "overloaded")])
async def test_a_store_that_refuses_is_unavailable_soon_and_well_again_soon(
    store: S3Store, proxy: FaultProxy, place: S3Address, data: bytes, fault: str, says: str
) -> None:
    proxy.set(fault)
    began = time.monotonic()
    assert says in await reason_of_put(store, data)
    assert time.monotonic() - began < 8
    proxy.heal()
    healed = time.monotonic()
    await put(store, data)
    assert time.monotonic() - healed < 5
    assert await leftovers(place) == [KEY]
    assert hashlib.sha256(await read(store)).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("fault", ["reset", "slow_down", "lose_answer"])
@pytest.mark.parametrize(
    ("method", "part", "data"),
    [
        ("PUT", KEY, SMALL),
        ("POST", "?uploads", LARGE),
        ("PUT", "partNumber=2", LARGE),
        ("POST", "?uploadId", LARGE),
    ],
    ids=["put", "create", "part", "complete"],
)
async def test_one_fault_on_the_way_is_mended_by_asking_again(
    store: S3Store, proxy: FaultProxy, method: str, part: str, data: bytes, fault: str
) -> None:
    proxy.set(fault, request(method, part), times=1)
    await put(store, data)
    assert proxy.met == 1
    assert hashlib.sha256(await read(store)).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("fault", ["reset", "lose_answer"])
@pytest.mark.parametrize(
    ("method", "part", "data"),
    [("PUT", KEY, SMALL), ("POST", "?uploads", LARGE), ("PUT", "partNumber=2", LARGE), ("POST", "?uploadId", LARGE)],
    ids=["put", "create", "part", "complete"],
)
async def test_a_fault_that_stays_leaves_nothing(
    store: S3Store, proxy: FaultProxy, place: S3Address, method: str, part: str, data: bytes, fault: str
) -> None:
    proxy.set(fault, request(method, part))
    if (fault, part) == ("lose_answer", "?uploadId"):
        with pytest.raises(StorageUnavailable):
            await put(store, data)
    else:
        await reason_of_put(store, data)
    assert await leftovers(place) == []


async def test_a_forgotten_upload_whose_object_is_whole_was_completed(
    place: S3Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other servers than this one answer NoSuchUpload to the second Complete, after the first one's answer was lost."""
    async with opened(place) as store:
        call = store.client.call

        async def forgetful(operation: str, **parameters: Any) -> Any:
            answer = await call(operation, **parameters)
            if operation == "complete_multipart_upload":
                raise S3Failed(ClientError({"Error": {"Code": "NoSuchUpload"}}, operation))
            return answer

        monkeypatch.setattr(store.client, "call", forgetful)
        await put(store, LARGE)
        assert hashlib.sha256(await read(store)).digest() == hashlib.sha256(LARGE).digest()


async def test_a_store_that_says_nothing_is_given_up(store: S3Store, proxy: FaultProxy) -> None:
    proxy.set("hang")
    began = time.monotonic()
    with pytest.raises(StorageUnavailable) as raised:
        await store.head(KEY)
    assert "does not answer in time" in raised.value.reason
    assert time.monotonic() - began < 7


async def test_cancellation_does_not_wait_for_a_server_that_hangs(
    store: S3Store, proxy: FaultProxy, place: S3Address
) -> None:
    proxy.set("hang", request("PUT"))
    upload = asyncio.create_task(put(store, LARGE))
    await proxy.struck.wait()
    began = time.monotonic()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert time.monotonic() - began < 5
    assert await leftovers(place) == []
    assert store.buffers.left_bytes == store.settings.budget_bytes


async def test_a_reader_is_told_when_the_bytes_break_off(store: S3Store, proxy: FaultProxy) -> None:
    await store.put(KEY, stream(noise(20 * MIB)), content_type=JPEG)
    async with store.get(KEY) as chunks:
        await anext(chunks)
        await proxy.break_all()
        with pytest.raises(StorageUnavailable):
            await read_all(chunks)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"secret_key": "canary-wrong-secret"}, "check S3_SECRET_KEY"),
        ({"access_key": "CANARYWRONGKEY"}, "check S3_ACCESS_KEY"),
        ({"bucket": "nobodys-bucket"}, "check S3_BUCKET"),
        ({"endpoint": "http://127.0.0.1:9"}, "check S3_ENDPOINT"),
        ({"endpoint": "https://127.0.0.1:{port}"}, "check S3_ENDPOINT"),
    ],
    ids=["secret", "key", "bucket", "address", "tls"],
)
async def test_a_wrong_setting_is_named(place: S3Address, changed: dict[str, str], says: str) -> None:
    values = {name: value.format(port=place.port) for name, value in changed.items()}
    async with opened(msgspec.structs.replace(place, **values)) as store:
        found = []
        for work in (store.check(), put(store, LARGE), store.head(KEY), read(store), store.delete(KEY), _list(store)):
            with pytest.raises(StorageUnavailable) as raised:
                await work
            found.append(raised.value.reason)
    if changed.keys() <= {"bucket", "endpoint"}:
        assert [reason for reason in found if says not in reason and "S3_BUCKET" not in reason] == []
    assert says in found[0]
    assert not [reason for reason in found if "canary" in reason.lower() or "127.0.0.1" in reason]


@pytest.mark.parametrize("minutes", [-60, 60])
async def test_a_wrong_clock_is_named(place: S3Address, monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    """Requests are signed as on a machine whose clock is wrong."""
    monkeypatch.setattr(
        "botocore.auth.get_current_datetime",
        lambda *, remove_tzinfo=True: (datetime.now(UTC) + timedelta(minutes=minutes)).replace(tzinfo=None),
    )
    async with opened(place) as store:
        for work in (put(store, SMALL), put(store, LARGE), read(store), store.check()):
            with pytest.raises(StorageUnavailable) as raised:
                await work
            assert "clock" in raised.value.reason


async def test_an_upload_whose_beginning_got_no_answer_is_there_for_the_sweep(
    store: S3Store, proxy: FaultProxy, place: S3Address
) -> None:
    """Asked for again, the server begins another upload; nobody knows the first one's id but the server."""
    proxy.set("lose_answer", request("POST", "?uploads"), times=1)
    await put(store, LARGE)
    [forgotten] = [found async for found in store.open_uploads()]
    assert forgotten.key == KEY
    await store.abort(forgotten)
    assert await leftovers(place) == [KEY]


async def _list(store: S3Store) -> None:
    [_ async for _ in store.list()]
    [_ async for _ in store.open_uploads()]


async def test_links_are_in_no_log_and_end_with_the_object(place: S3Address, product_log: StringIO) -> None:
    now = datetime.now(UTC)
    async with opened(place) as store:
        await put(store, SMALL)
        link = await store.presign(KEY, expires_at=now + timedelta(hours=9), now=now)
        assert "X-Amz-Expires=900&" in link + "&"
        link = await store.presign(KEY, expires_at=now + timedelta(seconds=7.9), now=now)
        assert "X-Amz-Expires=7&" in link + "&"
        with pytest.raises(Problem):
            await store.presign(KEY, expires_at=now, now=now)
    log = product_log.getvalue()
    assert "X-Amz" not in log
    assert place.access_key not in log
    for event in ("s3.upload_started", "s3.upload_finished", "s3.presigned", "s3.presign_failed"):
        assert event in log


async def test_a_spent_budget_stops_reading_until_a_part_is_given_back(place: S3Address) -> None:
    settings = msgspec.structs.replace(settings_of(place), budget_bytes=PART_BYTES)
    store = S3Store(settings, clock=SystemClock())
    first, second = PausedStream(SMALL), PausedStream(SMALL)
    one = asyncio.create_task(store.put(KEY, first.chunks(), content_type=JPEG))
    await first.paused.wait()
    two = asyncio.create_task(store.put(f"{KEY}.2", second.chunks(), content_type=JPEG))
    await store.put(f"{KEY}.3", stream(SMALL, len(SMALL)), content_type=JPEG, size_bytes=len(SMALL))
    assert not second.paused.is_set()
    first.go.set()
    await one
    await second.paused.wait()
    second.go.set()
    await two
    assert store.buffers.left_bytes == PART_BYTES
    await store.close()


@pytest.mark.parametrize("key", ["result/none.jpg"])
async def test_what_is_gone_is_no_failure(place: S3Address, key: str) -> None:
    async with opened(place) as store:
        assert await store.head(key) is None
        with pytest.raises(ObjectMissing):
            await store.get(key).__aenter__()
        await store.delete(key)
        await store.abort(OpenUpload(key, "01939e2b0000700080000000", datetime.now(UTC)))
