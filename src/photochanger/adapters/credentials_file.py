"""RUNTIME_CREDENTIALS_FILE: accounts and provider keys that whoever runs the server hands in as JSON.

The file is read, never written. Nothing of its values gets into a log, an error or a repr.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

import argon2
import msgspec
from argon2.exceptions import InvalidHashError
from msgspec import UNSET, Meta, Struct

from photochanger.core.forms import Mistakes, read_document, read_members

_Text = Annotated[str, Meta(min_length=1, max_length=1000)]
_Signature = tuple[int, int, int]


class FileAccount(Struct, frozen=True, kw_only=True):
    username: Annotated[str, Meta(min_length=1, max_length=64)]
    password_hash: _Text
    """Argon2id, `$argon2id$…`."""
    role: Literal["admin", "operator", "member"]

    def __repr__(self) -> str:
        return f"FileAccount(username={self.username!r}, role={self.role!r})"


class ProviderKeys(Struct, frozen=True, kw_only=True):
    api_key: Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"^[!-~]+$")]
    """Visible ASCII: it goes into a header."""

    def __repr__(self) -> str:
        return "ProviderKeys(…)"


class Credentials(Struct, frozen=True):
    accounts: tuple[FileAccount, ...] = ()
    providers: dict[str, ProviderKeys] = {}


class CredentialsFileBroken(Exception):  # noqa: N818 – named for the fact
    """The file cannot be read or understood; each line of the text names a place in it and what would be right."""


class CredentialsFile:
    """`current` is the last content that was right; a broken file leaves it as it was."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._read: _Signature | None = None
        self._done: _Signature | None = None
        self.current = Credentials()

    def changed(self) -> bool:
        """Whether the file is another one than was followed last; a broken one is told once."""
        return self._signature() != self._done

    def followed(self) -> None:
        """What `read` gave last holds everywhere now: until then the file counts as changed."""
        self._done = self._read

    def read(self) -> Credentials:
        """The file's content; empty without a file. Raises CredentialsFileBroken."""
        self._read = self._signature()
        if self._path is None or self._read is None:
            self.current = Credentials()
            return self.current
        try:
            self.current = _parse(self._path.read_bytes())
        except OSError as error:
            self.followed()
            raise CredentialsFileBroken(f"{self._path} cannot be read: {error.strerror}") from None
        except CredentialsFileBroken as broken:
            self.followed()
            raise CredentialsFileBroken(f"{self._path}: {broken}") from None
        return self.current

    def _signature(self) -> _Signature | None:
        """What a rewritten or replaced file differs in. Taken before reading: a change meanwhile is seen next time."""
        if self._path is None:
            return None
        try:
            found = os.stat(self._path)  # noqa: PTH116 – one call, no object, once a second
        except FileNotFoundError:
            return None
        except OSError:
            return (0, 0, 0)  # it may be there: `read` finds out why it cannot be seen
        return found.st_mtime_ns, found.st_size, found.st_ino


def _parse(content: bytes) -> Credentials:
    try:
        raw = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CredentialsFileBroken("is not JSON in UTF-8") from None
    mistakes = Mistakes()
    members = read_members(_Document, raw, mistakes)
    providers = {
        name: read_document(ProviderKeys, keys, mistakes, at=f"providers.{name[:32]}")
        for name, keys in members.get("providers", {}).items()
    }
    accounts: list[FileAccount] = members.get("accounts", [])
    _check_accounts(accounts, mistakes)
    if mistakes.errors:
        raise CredentialsFileBroken("; ".join(f"{wrong.field} {wrong.message}" for wrong in mistakes.errors))
    return Credentials(tuple(accounts), {name: keys for name, keys in providers.items() if keys is not UNSET})


class _Document(Struct):
    accounts: list[FileAccount] = []
    providers: dict[str, object] = {}


def _check_accounts(accounts: list[FileAccount], mistakes: Mistakes) -> None:
    names: set[str] = set()
    for index, account in enumerate(accounts):
        folded = account.username.casefold()
        if folded in names:
            mistakes.add(f"accounts.{index}.username", "stands in the file already")
        names.add(folded)
        try:
            kind = argon2.extract_parameters(account.password_hash).type
        except InvalidHashError:
            kind = None
        if kind is not argon2.Type.ID:
            mistakes.add(f"accounts.{index}.password_hash", "must be an Argon2id hash like $argon2id$v=19$m=…")
