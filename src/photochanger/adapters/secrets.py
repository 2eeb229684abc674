"""Secrets the product makes for itself at its first start, and keys derived from them.

A secret made here never leaves its file in the data directory but in memory: it is not logged and not configured.
"""

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

import structlog

_log = structlog.get_logger(__name__)


class SecretUnusable(Exception):  # noqa: N818 – named for the fact
    """A secret's file cannot be used; the text says which and what to do, and holds nothing of the secret."""


def load_or_create(data_dir: Path, name: str, size: int = 32) -> bytes:
    """The `size` random bytes kept in `{data_dir}/secrets/{name}`, made where there are none yet.

    Processes that start at once get the same bytes: whoever links its file into place first, wins.
    """
    folder = data_dir / "secrets"
    path = folder / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _keep_private(folder, 0o700)
        if not path.exists():
            _create(path, size)
        _keep_private(path, 0o600)
        secret = path.read_bytes()
    except OSError as error:
        raise SecretUnusable(f"{path} cannot be used: {error.strerror}. Give this user the data directory.") from error
    if len(secret) != size:
        raise SecretUnusable(
            f"{path} holds {len(secret)} bytes instead of {size}. Restore it from a backup; or delete it, "
            "and a new one is made that ends what the old one signed."
        )
    return secret


def derive(key: bytes, purpose: str) -> bytes:
    """A 32-byte key of its own for each purpose, so that none can stand in for another (HKDF-Expand, RFC 5869)."""
    return hmac.digest(key, purpose.encode() + b"\x01", hashlib.sha256)


def _create(path: Path, size: int) -> None:
    """Whole or not at all: a reader never meets half a secret, and an existing one is never replaced."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(size))
            file.flush()
            os.fsync(file.fileno())
        os.link(fresh, path)
    except FileExistsError:
        pass  # another process was first
    finally:
        fresh.unlink()


def _keep_private(path: Path, mode: int) -> None:
    found = stat.S_IMODE(path.stat().st_mode)
    if found & 0o077:
        path.chmod(mode)
        _log.warning("secret.made_private", path=str(path), mode_found=f"{found:04o}")
