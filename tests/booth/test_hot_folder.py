"""What counts as a photo in a folder, and when it is whole: by looking, with a clock that a test moves."""

import pytest

from photochanger.booth.hot_folder import HotFolder
from tests.support.clock import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def look(tmp_path, clock):
    folder = HotFolder(tmp_path, clock)

    def names(*, after: float) -> list[str]:
        clock.advance(seconds=after)
        return [found.name for found in folder.look()]

    return names


def test_a_photo_is_given_once_when_nobody_has_written_to_it_for_a_second(tmp_path, look):
    (tmp_path / "a.JPG").write_bytes(b"whole")
    assert [look(after=0), look(after=0.5), look(after=0.5), look(after=0.5)] == [[], [], ["a.JPG"], []]


def test_a_half_written_photo_waits_for_its_end(tmp_path, look):
    with (tmp_path / "a.jpg").open("wb") as photo:
        assert look(after=5) == []
        for _ in range(5):
            photo.write(b"a piece")
            photo.flush()
            assert look(after=0.9) == []
    assert look(after=0.9) == []
    assert look(after=0.1) == ["a.jpg"]


def test_an_empty_file_is_no_photo_yet(tmp_path, look):
    (tmp_path / "a.jpg").touch()
    assert [look(after=0), look(after=10)] == [[], []]


@pytest.mark.parametrize("name", [".a.jpg", "._a.jpg", "~a.jpg", "a.jpg.tmp", "a.part", "a.CR3", "Thumbs.db", "jpg"])
def test_hidden_temporary_and_other_files_are_left(tmp_path, look, name):
    (tmp_path / name).write_bytes(b"something")
    assert [look(after=0), look(after=10)] == [[], []]


def test_a_folder_is_no_photo(tmp_path, look):
    (tmp_path / "session.jpg").mkdir()
    assert [look(after=0), look(after=10)] == [[], []]


def test_another_photo_under_an_old_name_is_given_too(tmp_path, look):
    (tmp_path / "a.jpg").write_bytes(b"one")
    look(after=0)
    assert look(after=1) == ["a.jpg"]
    (tmp_path / "a.jpg").write_bytes(b"another")
    assert [look(after=0), look(after=1)] == [[], ["a.jpg"]]


def test_what_was_there_just_so_at_the_first_look_is_old(tmp_path, clock):
    folder = HotFolder(tmp_path, clock)
    (tmp_path / "whole.jpg").write_bytes(b"whole")
    (tmp_path / "half.jpg").write_bytes(b"ha")
    folder.look()
    (tmp_path / "half.jpg").write_bytes(b"half and half")
    (tmp_path / "new.jpg").write_bytes(b"new")
    folder.look()
    clock.advance(seconds=1)
    assert {found.name: folder.is_old(found) for found in folder.look()} == {
        "whole.jpg": True,
        "half.jpg": False,
        "new.jpg": False,
    }


def test_a_share_that_comes_back_is_read_on(tmp_path, clock):
    share = tmp_path / "share"
    folder = HotFolder(share, clock)
    with pytest.raises(FileNotFoundError):
        folder.look()
    share.mkdir()
    folder.look()
    (share / "a.jpg").write_bytes(b"live")
    folder.look()
    clock.advance(seconds=1)
    assert [(found.name, folder.is_old(found)) for found in folder.look()] == [("a.jpg", False)]
