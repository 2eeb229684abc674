import asyncio
import threading
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from photochanger.adapters.passwords import Passwords, VerifiedPasswords
from tests.support.clock import FakeClock


class CountingPasswords(Passwords):
    """Real hashes, and how many verifications ran."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    async def verify(self, stored: str, password: str) -> bool:
        self.count += 1
        return await super().verify(stored, password)


@pytest.fixture(autouse=True)
def real_hasher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photochanger.adapters.passwords.PasswordHasher", PasswordHasher)


@pytest.fixture
def passwords() -> Iterator[CountingPasswords]:
    passwords = CountingPasswords()
    yield passwords
    passwords.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def verified(passwords: CountingPasswords, clock: FakeClock) -> VerifiedPasswords:
    return VerifiedPasswords(passwords, clock)


async def test_a_hash_fits_its_password_alone_and_hides_it(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")
    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "correct house")
    assert "horse" not in stored
    assert stored != await passwords.hash("correct horse")


async def test_the_hash_costs_what_owasp_asks_for(passwords: Passwords) -> None:
    assert (await passwords.hash("x")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("other", ["pässword ", " pässword", "Pässword", "pässword", "pässword\0", ""])
async def test_passwords_are_compared_byte_for_byte(passwords: Passwords, other: str) -> None:
    assert not await passwords.verify(await passwords.hash("p\u00e4ssword"), other.replace("ä", "a\u0308"))


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$v=19$broken", "ключ", "$2b$12$bcrypt"])
async def test_what_is_no_hash_fits_no_password(passwords: Passwords, stored: str) -> None:
    assert not await passwords.verify(stored, stored)


async def test_broken_unicode_is_a_wrong_password_and_no_error(passwords: Passwords) -> None:
    assert not await passwords.verify(await passwords.hash("correct horse"), "\ud800")


async def test_hashing_leaves_the_event_loop_alone(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[str] = set()
    fits = passwords._fits

    def noted(stored: str, password: bytes) -> bool:
        threads.add(threading.current_thread().name)
        return fits(stored, password)

    monkeypatch.setattr(passwords, "_fits", noted)
    await asyncio.gather(*[passwords.dummy_verify("x") for _ in range(6)])
    assert threads
    assert all(name.startswith("passwords") for name in threads)
    assert len(threads) <= 2


async def test_a_right_password_is_hashed_once(verified: VerifiedPasswords, passwords: CountingPasswords) -> None:
    stored = await passwords.hash("secret")
    assert [await verified.verify("slot-001", stored, "secret") for _ in range(3)] == [True] * 3
    assert passwords.count == 1


async def test_a_wrong_password_is_hashed_every_time(verified: VerifiedPasswords, passwords: CountingPasswords) -> None:
    stored = await passwords.hash("secret")
    assert [await verified.verify("slot-001", stored, "wrong") for _ in range(2)] == [False] * 2
    assert passwords.count == 2


async def test_fifty_simultaneous_checks_share_one_hash(
    verified: VerifiedPasswords, passwords: CountingPasswords
) -> None:
    stored = await passwords.hash("secret")
    answers = await asyncio.gather(*[verified.verify("slot-001", stored, "secret") for _ in range(50)])
    assert answers == [True] * 50
    assert passwords.count == 1


async def test_who_leaves_does_not_take_the_others_answer_along(
    verified: VerifiedPasswords, passwords: CountingPasswords
) -> None:
    stored = await passwords.hash("secret")
    first = asyncio.create_task(verified.verify("slot-001", stored, "secret"))
    second = asyncio.create_task(verified.verify("slot-001", stored, "secret"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    assert first.cancelled()
    assert passwords.count == 1


async def test_memory_belongs_to_subject_and_stored_hash(
    verified: VerifiedPasswords, passwords: CountingPasswords
) -> None:
    stored, other = await passwords.hash("secret"), await passwords.hash("changed")
    await verified.verify("slot-001", stored, "secret")
    assert verified.remembers("slot-001", stored, "secret")
    assert not verified.remembers("slot-002", stored, "secret")
    assert not verified.remembers("slot-001", other, "secret")
    assert not await verified.verify("slot-001", other, "secret")


async def test_a_password_is_forgotten_ten_minutes_after_its_last_use(
    verified: VerifiedPasswords, passwords: CountingPasswords, clock: FakeClock
) -> None:
    stored = await passwords.hash("secret")
    await verified.verify("slot-001", stored, "secret")
    clock.advance(minutes=9)
    assert await verified.verify("slot-001", stored, "secret")
    clock.advance(minutes=9, seconds=59)
    assert verified.remembers("slot-001", stored, "secret")
    clock.advance(minutes=10)
    assert not verified.remembers("slot-001", stored, "secret")
    await verified.verify("slot-001", stored, "secret")
    assert passwords.count == 2


async def test_the_memory_is_bounded_and_forgets_the_longest_unused(
    passwords: CountingPasswords, clock: FakeClock
) -> None:
    verified = VerifiedPasswords(passwords, clock, capacity=2)
    stored = await passwords.hash("secret")
    for subject in ("a", "b", "a", "c"):
        await verified.verify(subject, stored, "secret")
    assert [verified.remembers(subject, stored, "secret") for subject in "abc"] == [True, False, True]


async def test_the_memory_holds_no_password(verified: VerifiedPasswords, passwords: CountingPasswords) -> None:
    stored = await passwords.hash("correct horse")
    await verified.verify("slot-001", stored, "correct horse")
    assert verified.remembers("slot-001", stored, "correct horse")
    assert "horse" not in repr(vars(verified))
