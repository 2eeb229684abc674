"""What only a folder can get wrong: disks, permissions, links, threads."""
# ruff: noqa: ASYNC240 – the tests look at the disk themselves

import asyncio
import errno
import os
import resource
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event

import pytest

from photochanger.adapters.storage.links import LinkSigner
from photochanger.adapters.storage.local import WRITE_BYTES, LocalStore
from photochanger.adapters.storage.store import ObjectMissing, StorageUnavailable
from photochanger.core.limits import MIB
from tests.support.clock import FakeClock
from tests.support.streams import PausedStream, noise, stream

KEY = "result/slot-001/2026/11/21/a.jpg"
JPEG = "image/jpeg"


def make(root: Path) -> LocalStore:
    return LocalStore(root, clock=FakeClock(), links=LinkSigner(b"k" * 32, lambda: "http://testserver"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "media"


@pytest.fixture
async def local(root: Path) -> AsyncIterator[LocalStore]:
    store = make(root)
    yield store
    await store.close()


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if not path.is_dir()]


def open_files(root: Path) -> list[str]:
    descriptors = Path("/proc/self/fd")
    links = [str(path.readlink()) for path in descriptors.iterdir() if path.is_symlink()]
    return [link for link in links if link.startswith(str(root))]


def file_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


class HeldSync:
    """An fsync of files that takes until the test lets it go, which a blocked event loop never would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = asyncio.Event()
        self.go = Event()
        loop, fsync = asyncio.get_running_loop(), os.fsync

        def hold(descriptor: int) -> None:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                loop.call_soon_threadsafe(self.begun.set)
                assert self.go.wait(10), "the event loop stood still"
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", hold)


async def test_objects_lie_under_their_keys_readable_by_the_owner_alone(local: LocalStore, root: Path) -> None:
    await local.put(KEY, stream(b"photo"), content_type=JPEG)
    assert (root / KEY).read_bytes() == b"photo"
    assert {stat.S_IMODE(path.stat().st_mode) for path in files(root)} == {0o600}
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


async def test_file_and_folders_are_on_the_disk_before_put_returns(
    local: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(file_of(descriptor))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    await local.put(KEY, stream(b"photo"), content_type=JPEG)
    [file] = [place for place in synced if "/.uploads/" in place]
    assert {str(folder) for folder in (root / KEY).parents if folder.is_relative_to(root.parent)} <= set(synced)
    assert synced.index(file) < synced.index(str((root / KEY).parent))
    assert synced[-1] == str((root / KEY).parent)


async def test_the_loop_goes_on_while_the_disk_syncs(local: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = HeldSync(monkeypatch)
    upload = asyncio.create_task(local.put(KEY, stream(b"photo"), content_type=JPEG))
    await sync.begun.wait()
    assert await local.head(KEY) is None
    sync.go.set()
    await upload
    assert await local.head(KEY)


async def test_cancellation_while_the_disk_syncs_leaves_nothing(
    local: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even twice: the second one must not keep the first from cleaning up."""
    sync = HeldSync(monkeypatch)
    upload = asyncio.create_task(local.put(KEY, stream(b"photo"), content_type=JPEG))
    await sync.begun.wait()
    upload.cancel()
    await asyncio.sleep(0)
    upload.cancel()
    sync.go.set()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert files(root) == []
    assert open_files(root) == []


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EIO, errno.EROFS, errno.ESTALE])
async def test_a_failing_disk_is_storage_unavailable_and_leaves_nothing(
    local: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("photochanger.adapters.storage.folder.os.fsync", fail)
    root.mkdir()
    (root / ".uploads").mkdir()
    with pytest.raises(StorageUnavailable) as raised:
        await local.put(KEY, stream(b"photo"), content_type=JPEG)
    assert errno.errorcode[error] in raised.value.reason
    assert str(root) not in raised.value.reason
    assert files(root) == []


async def test_a_disk_that_takes_no_more_leaves_nothing(local: LocalStore, root: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB + 1, hard))
    try:
        with pytest.raises(StorageUnavailable) as raised:
            await local.put(KEY, stream(noise(3 * MIB)), content_type=JPEG)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "EFBIG" in raised.value.reason
    assert files(root) == []
    assert open_files(root) == []


async def test_a_folder_that_cannot_be_made_is_storage_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for root in (tmp_path / "file", tmp_path / "file" / "media"):
        store = make(root)
        with pytest.raises(StorageUnavailable) as raised:
            await store.put(KEY, stream(b"photo"), content_type=JPEG)
        assert "a file stands where the storage folder should be" in raised.value.reason
        with pytest.raises(StorageUnavailable):
            await store.check()
        await store.close()


async def test_a_folder_closed_to_this_user_is_storage_unavailable(local: LocalStore, root: Path) -> None:
    root.mkdir(mode=0o500)
    user = os.geteuid()
    os.seteuid(user or 65_534)  # root may write anywhere
    try:
        with pytest.raises(StorageUnavailable) as raised:
            await local.check()
    finally:
        os.seteuid(user)
    assert "give it to the user" in raised.value.reason


async def test_a_link_in_the_store_leads_nowhere(local: LocalStore, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.jpg").write_bytes(b"private")
    root.mkdir()
    (root / "result").symlink_to(outside)
    (root / "source").mkdir()
    (root / "source" / "a.jpg").symlink_to(outside / "a.jpg")
    for key in ("result/a.jpg", "source/a.jpg"):
        with pytest.raises(StorageUnavailable):
            await local.put(key, stream(b"changed"), content_type=JPEG)
        with pytest.raises(StorageUnavailable):
            await local.get(key).__aenter__()
        with pytest.raises(StorageUnavailable):
            await local.head(key)
        with pytest.raises(StorageUnavailable):
            await local.delete(key)
    with pytest.raises(StorageUnavailable):
        [_ async for _ in local.list("result/")]
    assert [_ async for _ in local.list()] == []
    assert (outside / "a.jpg").read_bytes() == b"private"


async def test_uploads_do_not_follow_a_link(local: LocalStore, root: Path, tmp_path: Path) -> None:
    root.mkdir()
    (tmp_path / "outside").mkdir()
    (root / ".uploads").symlink_to(tmp_path / "outside")
    with pytest.raises(StorageUnavailable):
        await local.put(KEY, stream(b"photo"), content_type=JPEG)
    assert files(tmp_path / "outside") == []


async def test_a_store_may_itself_lie_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "media").symlink_to(tmp_path / "disk")
    store = make(tmp_path / "media")
    await store.put(KEY, stream(b"photo"), content_type=JPEG)
    assert (tmp_path / "disk" / KEY).read_bytes() == b"photo"
    await store.close()


async def test_foreign_files_are_no_objects_and_no_uploads(local: LocalStore, root: Path) -> None:
    await local.put(KEY, stream(b"photo"), content_type=JPEG)
    for name in (".DS_Store", "result/.a.swp", "result/a b.jpg", ".uploads/notes.txt", ".uploads/a~b"):
        (root / name).write_bytes(b"foreign")
    assert [found.key async for found in local.list()] == [KEY]
    assert [found async for found in local.open_uploads()] == []


async def test_deleting_the_last_object_removes_its_folders_but_never_the_root(local: LocalStore, root: Path) -> None:
    await local.put(KEY, stream(b"photo"), content_type=JPEG)
    await local.put("result/slot-002/b.jpg", stream(b"photo"), content_type=JPEG)
    await local.delete(KEY)
    assert not (root / "result/slot-001").exists()
    await local.delete("result/slot-002/b.jpg")
    assert [path.name for path in root.iterdir()] == [".uploads"]


async def test_a_deletion_is_on_the_disk_before_delete_returns(
    local: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await local.put(KEY, stream(b"photo"), content_type=JPEG)
    await local.put("result/slot-002/b.jpg", stream(b"photo"), content_type=JPEG)
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(file_of(descriptor)))
    await local.delete(KEY)
    assert synced == [str(root / "result")]


async def test_a_folder_that_belongs_to_the_system_is_not_looked_into(
    local: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`lost+found` stands in the root of many disks and is closed to everybody."""
    await local.put(KEY, stream(b"photo"), content_type=JPEG)
    (root / "lost+found").mkdir()
    scandir = os.scandir

    def guarded(path: str) -> object:
        if path.endswith("lost+found"):
            raise PermissionError(errno.EACCES, "closed")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert [found.key async for found in local.list()] == [KEY]


async def test_an_aborted_upload_stops_at_its_next_part(local: LocalStore) -> None:
    before = PausedStream(bytes(WRITE_BYTES))
    taken = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal taken
        async for chunk in before.chunks():
            yield chunk
        for _ in range(10):
            taken += 1
            yield bytes(WRITE_BYTES)

    upload = asyncio.create_task(local.put(KEY, chunks(), content_type=JPEG))
    await before.paused.wait()
    [found] = [found async for found in local.open_uploads()]
    await local.abort(found)
    before.go.set()
    with pytest.raises(StorageUnavailable) as raised:
        await upload
    assert raised.value.reason == "the upload was aborted"
    assert taken == 1


async def test_two_processes_may_put_and_delete_in_one_folder(local: LocalStore, root: Path) -> None:
    """Two stores share no lock, as two processes would."""
    other = make(root)

    async def come_and_go(store: LocalStore, number: int) -> None:
        for _ in range(10):
            await store.put(f"result/slot-001/{number}.jpg", stream(b"photo"), content_type=JPEG)
            await store.delete(f"result/slot-001/{number}.jpg")

    await asyncio.gather(*(come_and_go(store, number) for number, store in enumerate([local, other] * 8)))
    assert files(root) == []
    await other.close()


async def test_a_store_moved_away_while_uploading_fails_instead_of_hanging(
    local: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = HeldSync(monkeypatch)
    upload = asyncio.create_task(local.put(KEY, stream(b"photo"), content_type=JPEG))
    await sync.begun.wait()
    root.rename(root.with_name("elsewhere"))
    sync.go.set()
    with pytest.raises(StorageUnavailable) as raised:
        await upload
    assert "moved or deleted" in raised.value.reason


async def test_a_file_is_closed_however_reading_ends(local: LocalStore, root: Path) -> None:
    await local.put(KEY, stream(noise(2 * MIB)), content_type=JPEG)
    async with local.get(KEY) as chunks:
        await anext(chunks)
        assert open_files(root) == [str(root / KEY)]
    assert open_files(root) == []

    started = asyncio.Event()

    async def read_and_wait() -> None:
        async with local.get(KEY) as chunks:
            await anext(chunks)
            started.set()
            await asyncio.Event().wait()

    reader = asyncio.create_task(read_and_wait())
    await started.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    for turns in range(20):
        reader = asyncio.create_task(read_and_wait())
        for _ in range(turns):
            await asyncio.sleep(0)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
    assert open_files(root) == []


async def test_the_check_finds_bytes_that_were_not_kept(local: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: object) -> None:
        raise ObjectMissing

    monkeypatch.setattr("photochanger.adapters.storage.folder.Folder.open", missing)
    with pytest.raises(StorageUnavailable) as raised:
        await local.check()
    assert "check the disk" in raised.value.reason
