import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from photochanger.adapters.storage.names import is_key
from photochanger.features.media.keys import made_at, object_key, runner_of

NOW = datetime(2026, 11, 21, 23, 59, 59, 123456, tzinfo=UTC)


def test_a_key_tells_kind_slot_day_time_and_runner() -> None:
    key = object_key("result", "slot-001", NOW, "0a1b2c3d4e5f", "jpg")
    assert re.fullmatch(r"result/slot-001/2026/11/21/[0-9a-f-]{36}-0a1b2c3d4e5f\.jpg", key)
    assert runner_of(key) == "0a1b2c3d4e5f"
    made = made_at(key)
    assert made is not None
    assert timedelta(0) <= NOW - made <= timedelta(milliseconds=2)


def test_a_key_without_a_slot_is_a_key_for_every_store() -> None:
    key = object_key("template", "-", NOW, "abc", "webp")
    assert key.startswith("template/-/2026/11/21/")
    assert is_key(key)
    assert runner_of(key) == "abc"


def test_the_day_is_utc() -> None:
    moscow = NOW.astimezone(timezone(timedelta(hours=3)))
    assert "/2026/11/21/" in object_key("source", "slot-001", moscow, "abc", "png")


def test_two_keys_of_one_instant_differ() -> None:
    assert len({object_key("source", "slot-001", NOW, "abc", "png") for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "key",
    [
        "",
        "a.jpg",
        "result/slot-001/2026/11/21/photo.jpg",
        "result/slot-001/2026/11/21/01939e2b-0000-7000-8000-000000000001.jpg",
        "result/slot-001/2026/11/21/01939e2b-0000-4000-8000-000000000001-abc.jpg",
        "result/slot-001/2026/11/21/01939E2B-0000-7000-8000-000000000001-abc.jpg",
        "result/slot-001/2026/11/21/01939e2b-0000-7000-8000-000000000001-abc.jpg/below",
    ],
)
def test_a_foreign_key_tells_nothing(key: str) -> None:
    assert runner_of(key) is None
    assert made_at(key) is None


def test_the_last_time_a_key_can_hold_is_no_error() -> None:
    assert made_at("ffffffff-ffff-7fff-bfff-ffffffffffff-abc.jpg") is None
