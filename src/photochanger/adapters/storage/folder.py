"""The blocking half of the local store: files, folders, what survives a power cut. For threads, not for the event loop.

Nothing here touches anything outside the root: keys have no way up, and symbolic links are refused.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import BinaryIO
from uuid import UUID

from photochanger.adapters.storage.names import checked_key, checked_prefix, is_folder_name, is_key
from photochanger.adapters.storage.store import ObjectMissing, OpenUpload, StorageUnavailable, StoredObject
from photochanger.core.ids import time_of

_EPOCH = datetime.fromtimestamp(0, UTC)
_TRIES = 100
_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class Folder:
    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._uploads = self._root / ".uploads"
        self._making = Lock()

    def path(self, key: str) -> Path:
        path = self._root / checked_key(key)
        _refuse_links(path)
        return path

    def upload_path(self, key: str, upload_id: str) -> Path:
        """A temporary file's name says all about it: when it began (UUIDv7) and what it will be."""
        return self._uploads / f"{UUID(upload_id)}~{checked_key(key).replace('/', ',')}"

    def make(self, folder: Path) -> None:
        """Makes the folder so that it survives a power cut; locked, so that nobody builds on one that may vanish."""
        with self._making:
            self._make(folder)

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        sync(folder.parent)

    def open(self, key: str, start: int, opened: ExitStack) -> BinaryIO:
        """The file at `start`; `opened` closes it."""
        try:
            file = opened.enter_context(self.path(key).open("rb", buffering=0))
        except _MISSING:
            raise ObjectMissing(key) from None
        file.seek(start)
        return file

    def find(self, key: str) -> StoredObject | None:
        return _stored(key, self.path(key))

    def remove(self, key: str) -> None:
        path = self.path(key)
        try:
            path.unlink()
        except _MISSING:
            return
        with suppress(FileNotFoundError):
            sync(self._prune(path.parent))

    def _prune(self, folder: Path) -> Path:
        """Removes the folder and those above it as far as they are empty; the first that stays."""
        while folder != self._root:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:  # not empty
                break
            folder = folder.parent
        return folder

    def walk(self, prefix: str) -> Iterator[StoredObject]:
        """Leaves out what is no object: open uploads, links, files somebody put there."""
        top = self._root / checked_prefix(prefix).rpartition("/")[0]
        _refuse_links(top)
        for folder, folders, files in os.walk(top, onerror=_raise_unless_missing):
            folders[:] = filter(is_folder_name, folders)
            for name in files:
                path = Path(folder, name)
                key = path.relative_to(self._root).as_posix()
                if key.startswith(prefix) and is_key(key) and (found := _stored(key, path)):
                    yield found

    def list_uploads(self) -> list[OpenUpload]:
        with suppress(FileNotFoundError):
            return [found for file in self._uploads.iterdir() if (found := _open_upload(file.name))]
        return []

    def abort(self, upload: OpenUpload) -> None:
        """A put that is still writing notices that its file has no name any more."""
        self.upload_path(upload.key, upload.upload_id).unlink(missing_ok=True)


class Upload:
    """One object on its way: written under a temporary name, renamed when it is whole and on the disk."""

    def __init__(self, folder: Folder, key: str, upload_id: str) -> None:
        self._folder = folder
        self._key = key
        self._temporary = folder.upload_path(key, upload_id)
        self._opened = ExitStack()
        self._placed: Path | None = None

    def begin(self) -> None:
        self._folder.make(self._temporary.parent)
        _refuse_links(self._temporary)
        self._file = self._opened.enter_context(open(self._temporary, "xb", opener=_open_private))  # noqa: SIM115

    def write(self, part: bytes) -> None:
        self._raise_if_aborted()
        self._file.write(part)

    def commit(self, modified_at: datetime) -> StoredObject:
        self._file.flush()
        modified_ns = (modified_at - _EPOCH) // timedelta(microseconds=1) * 1000
        os.utime(self._file.fileno(), ns=(modified_ns, modified_ns))
        os.fsync(self._file.fileno())
        size_bytes = self._file.tell()
        path = self._placed = self._place()
        with suppress(FileNotFoundError):  # deleted already
            sync(path.parent)
        self._opened.close()
        return StoredObject(self._key, size_bytes, modified_at)

    def discard(self) -> None:
        """Leaves nothing, not even an object placed a moment ago. What resists stays an open upload, for the sweep."""
        with suppress(OSError):
            self._opened.close()
        with suppress(OSError):
            self._temporary.unlink()
        if self._placed:
            with suppress(OSError):
                self._folder.remove(self._key)

    def _place(self) -> Path:
        for _ in range(_TRIES):
            try:
                path = self._folder.path(self._key)
                self._folder.make(path.parent)
                self._temporary.replace(path)
            except FileNotFoundError:  # a delete pruned the folder meanwhile: again
                self._raise_if_aborted()
            else:
                return path
        raise StorageUnavailable("the storage folder was moved or deleted: put it back")

    def _raise_if_aborted(self) -> None:
        if os.fstat(self._file.fileno()).st_nlink == 0:
            raise StorageUnavailable("the upload was aborted")


def sync(folder: Path) -> None:
    """Makes the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _refuse_links(path: Path) -> None:
    if os.path.realpath(path) != str(path):
        raise StorageUnavailable("a symbolic link lies in the storage folder: remove it")


def _stored(key: str, path: Path) -> StoredObject | None:
    try:
        found = path.lstat()
    except _MISSING:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return StoredObject(key, found.st_size, _EPOCH + timedelta(microseconds=found.st_mtime_ns // 1000))


def _open_upload(name: str) -> OpenUpload | None:
    upload_id, _, flat = name.partition("~")
    try:
        started_at = time_of(UUID(upload_id))
        return OpenUpload(checked_key(flat.replace(",", "/")), upload_id, started_at)
    except (ValueError, OverflowError):  # not ours
        return None


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, _MISSING):
        raise error
