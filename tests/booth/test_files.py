"""Files appear whole, replace none, and a cut between any two steps leaves each answer once."""

import pytest

from photochanger.booth.files import NotesUnreadable, free_name, read_notes, reveal, settle, write_hidden, write_whole


def test_a_hidden_file_has_no_name_a_spooler_takes(tmp_path):
    write_hidden(tmp_path / "a.jpg", b"photo")
    assert list(tmp_path.glob("*.jpg")) == []
    reveal(tmp_path / "a.jpg")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.jpg", b"photo")]


def test_a_name_is_taken_by_a_file_and_by_a_hidden_one(tmp_path):
    write_whole(tmp_path / "a.jpg", b"1")
    assert free_name(tmp_path, "a.jpg") == "a-2.jpg"
    write_hidden(tmp_path / "a-2.jpg", b"2")
    assert free_name(tmp_path, "a.jpg") == "a-3.jpg"


def test_after_a_cut_noted_files_are_revealed_and_others_deleted(tmp_path):
    write_hidden(tmp_path / "noted.jpg", b"noted")
    write_hidden(tmp_path / "not.jpg", b"not")
    write_whole(tmp_path / "printed.jpg", b"printed")
    (tmp_path / "printed.jpg").unlink()
    settle(tmp_path, {"noted.jpg", "printed.jpg"})
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("noted.jpg", b"noted")]


def test_notes_that_cannot_be_read_are_not_taken_for_none(tmp_path):
    assert read_notes(tmp_path / "notes.json", str) == {}
    (tmp_path / "notes.json").write_text('{"a": ')
    with pytest.raises(NotesUnreadable, match="cannot be read"):
        read_notes(tmp_path / "notes.json", str)
