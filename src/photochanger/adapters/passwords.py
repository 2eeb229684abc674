"""Password hashes (argon2id) and the memory of what was verified. Knows no account and no slot.

Passwords are compared byte for byte: no trimming, no normalisation. Hashing runs in two threads of its own, so that
it never stalls the event loop and a flood of logins cannot take more of the machine than that.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from photochanger.core.clock import Clock

_THREADS: Final = 2
_REMEMBERED: Final = 1024
_REMEMBERED_SECONDS: Final = 600.0


def _encoded(text: str) -> bytes:
    """Any text has bytes to compare, also one that is no valid Unicode and so can never be right."""
    return text.encode("utf-8", "surrogatepass")


class Passwords:
    def __init__(self) -> None:
        # OWASP's minimum: about 25 ms, where the library's default takes 184 ms and 64 MiB for each login.
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")
        self._nobodys = self._hasher.hash(secrets.token_bytes())

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, _encoded(password))

    async def verify(self, stored: str, password: str) -> bool:
        """Whether `password` made `stored`. A stored text that is no argon2 hash fits no password."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._fits, stored, _encoded(password))

    async def dummy_verify(self, password: str) -> None:
        """Costs what `verify` costs: for names nobody has, so that their answer takes as long."""
        await self.verify(self._nobodys, password)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _fits(self, stored: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, ValueError):  # no match; InvalidHashError and non-ASCII hashes are ValueErrors
            return False


class VerifiedPasswords:
    """Remembers right passwords, so that a booth's hash is computed once and not for every photo.

    Keys hold the stored hash: a changed password is unknown at once. They are made with a secret of this process, so
    the memory holds nothing a password could be told from. The last use counts: who was right within ten minutes is
    remembered.
    """

    def __init__(self, passwords: Passwords, clock: Clock, *, capacity: int = _REMEMBERED) -> None:
        self._passwords = passwords
        self._clock = clock
        self._capacity = capacity
        self._secret = secrets.token_bytes(32)
        self._until: OrderedDict[bytes, float] = OrderedDict()
        self._running: dict[bytes, asyncio.Task[bool]] = {}

    def remembers(self, subject: str, stored: str, password: str) -> bool:
        """Whether this password of `subject` was right within the last ten minutes. Costs no hash."""
        return self._recall(self._key(subject, stored, password))

    async def verify(self, subject: str, stored: str, password: str) -> bool:
        """Like `Passwords.verify`; simultaneous questions about the same password share one hash."""
        key = self._key(subject, stored, password)
        if self._recall(key):
            return True
        check = self._running.get(key)
        if check is None:
            check = self._running[key] = asyncio.create_task(self._check(key, stored, password))
        return await asyncio.shield(check)  # who leaves must not take the others' answer along

    async def _check(self, key: bytes, stored: str, password: str) -> bool:
        try:
            is_right = await self._passwords.verify(stored, password)
        finally:
            del self._running[key]
        if is_right:
            self._remember(key)
        return is_right

    def _key(self, subject: str, stored: str, password: str) -> bytes:
        parts = [_encoded(part) for part in (subject, stored, password)]
        message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.digest(self._secret, message, hashlib.sha256)

    def _recall(self, key: bytes) -> bool:
        until = self._until.get(key)
        if until is None or self._clock.monotonic() >= until:
            self._until.pop(key, None)
            return False
        self._remember(key)
        return True

    def _remember(self, key: bytes) -> None:
        self._until[key] = self._clock.monotonic() + _REMEMBERED_SECONDS
        self._until.move_to_end(key)
        if len(self._until) > self._capacity:
            self._until.popitem(last=False)
