"""What the tools refuse before they begin."""

import pytest
from click.testing import CliRunner

from photochanger.booth.commands import tools


@pytest.fixture
def refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"a photo")

    def said(*arguments):
        ended = CliRunner().invoke(tools, arguments, input="password\n")
        assert ended.exit_code == 2
        return ended.stderr

    return said


@pytest.mark.parametrize("url", ["booth", "ftp://booth", "http://", "http://booth:eighty", "http://[::1"])
def test_an_address_that_is_none(refused, url):
    said = refused("send", "a.jpg", "--slot", "slot-001", "--url", url, "--password-stdin")
    assert f"{url} is no address of a server." in said


@pytest.mark.parametrize("out", [".", "../{name}"])
def test_answers_into_the_watched_folder(refused, tmp_path, out):
    said = refused("watch", str(tmp_path), "--slot", "slot-001", "--out", out.format(name=tmp_path.name))
    assert "--out is FOLDER itself" in said


def test_a_text_part_without_a_name(refused):
    assert "NAME=VALUE" in refused("booth", "a.jpg", "--slot", "slot-001", "--password-stdin", "--text", "Anna")


def test_notes_that_cannot_be_read(refused, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.photochanger-watch.json").write_text("{")
    said = refused("watch", ".", "--slot", "slot-001", "--out", "out", "--password-stdin")
    assert "photochanger-watch.json cannot be read" in said
