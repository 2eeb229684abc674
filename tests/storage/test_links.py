import base64
import string
from datetime import UTC, datetime, timedelta

import pytest

from photochanger.adapters.storage.links import PATH, LinkSigner
from photochanger.core.errors import Problem

NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5, microseconds=7)
KEY = "result/slot-001/2026/11/21/01939e2b-0000-7000-8000-000000000001-abc123.jpg"
SIGNER = LinkSigner(b"k" * 32, lambda: "https://booth.example")


def token(signer: LinkSigner = SIGNER, expires_at: datetime = LATER) -> str:
    return signer.sign(KEY, expires_at).partition(PATH)[2]


def test_a_link_is_an_address_of_the_product_that_needs_no_quoting() -> None:
    link = SIGNER.sign(KEY, LATER)
    assert link.startswith("https://booth.example/public/store/")
    assert set(token()) <= set(string.ascii_letters + string.digits + "-_")


def test_the_address_is_asked_for_each_link() -> None:
    addresses = iter(["http://a", "http://b"])
    signer = LinkSigner(b"k" * 32, lambda: next(addresses))
    assert signer.sign(KEY, LATER).startswith("http://a/")
    assert signer.sign(KEY, LATER).startswith("http://b/")


def test_a_token_gives_its_key_until_the_moment_it_expires() -> None:
    assert SIGNER.verify(token(), NOW) == KEY
    assert SIGNER.verify(token(), LATER - timedelta(microseconds=1)) == KEY
    with pytest.raises(Problem) as raised:
        SIGNER.verify(token(), LATER)
    assert raised.value.code == "not-found"


def test_every_changed_character_makes_a_token_unknown() -> None:
    good = token()
    for at, old in enumerate(good):
        changed = good[:at] + ("A" if old != "A" else "B") + good[at + 1 :]
        with pytest.raises(Problem):
            SIGNER.verify(changed, NOW)


def test_another_spelling_of_a_token_is_unknown() -> None:
    """Base64 readers skip strange characters and ignore the last bits; one link has one spelling."""
    good = token()
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same_bytes = [
        good[:-1] + character
        for character in last
        if character != good[-1] and _decoded(good[:-1] + character) == _decoded(good)
    ]
    assert len(good) % 4 == 0 or same_bytes
    for other in (*same_bytes, f"{good}=", f"{good}==", f"{good[:9]}!{good[9:]}", f" {good}", f"{good}\n"):
        with pytest.raises(Problem):
            SIGNER.verify(other, NOW)


@pytest.mark.parametrize("forged", ["", "A", "AAAA", "A" * 60, "\udcff", "é", "%00", "x" * 5000, "../../etc/passwd"])
def test_what_was_never_signed_is_unknown(forged: str) -> None:
    with pytest.raises(Problem) as raised:
        SIGNER.verify(forged, NOW)
    assert raised.value.code == "not-found"


def test_another_installations_token_is_unknown() -> None:
    with pytest.raises(Problem):
        SIGNER.verify(token(LinkSigner(b"x" * 32, lambda: "https://booth.example")), NOW)


def test_a_time_nobody_can_reach_is_unknown_not_an_error() -> None:
    raw = bytes(32) + b"\xff" * 8 + KEY.encode()
    with pytest.raises(Problem):
        SIGNER.verify(base64.urlsafe_b64encode(raw).decode().rstrip("="), NOW)


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
