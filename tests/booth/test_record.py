"""What a hot folder remembers, through its file as after a reboot."""

import pytest

from photochanger.booth.hot_folder import Found
from photochanger.booth.record import FAILURES, Record


@pytest.fixture
def rebooted(tmp_path):
    """Saves a record and reads it again."""

    def reboot(record):
        record.save()
        return Record(tmp_path)

    return reboot


def add(record, name, state, sha256="same"):
    entry = record.add(Found(name, 5, 1))
    entry.state, entry.sha256 = state, sha256
    return entry


def test_a_file_is_known_as_it_was(tmp_path, rebooted):
    record = Record(tmp_path)
    found = Found("a.jpg", 5, 1763712000123456789)
    record.add(found)
    again = rebooted(record)
    assert [entry.found for entry in again.list_in("pending")] == [found]
    assert again.find(found._replace(size=6)) is None
    assert again.find(found._replace(changed_ns=found.changed_ns + 1)) is None


@pytest.mark.parametrize(("state", "is_twin"), [("pending", True), ("done", True), ("failed", False), ("twin", False)])
def test_a_copy_counts_on_an_original_that_is_sent_or_will_be(tmp_path, rebooted, state, is_twin):
    record = Record(tmp_path)
    add(record, "original.jpg", state)
    add(record, "other.jpg", "done", "other")
    add(record, "copy.jpg", "pending")
    again = rebooted(record)
    twin = again.twin(again.find(Found("copy.jpg", 5, 1)))
    assert (twin is not None) == is_twin


def test_the_list_of_failures_ends_with_the_last_one(tmp_path):
    record = Record(tmp_path)
    failed = add(record, "bröken.jpg", "failed")
    failed.reason = "415 unsupported-image: Send JPEG."
    record.tell_failures()
    assert (tmp_path / FAILURES).read_text("utf-8") == "bröken.jpg\t415 unsupported-image: Send JPEG.\n"
    record.drop(failed)
    record.tell_failures()
    assert not (tmp_path / FAILURES).exists()
