import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from photochanger.adapters.secrets import SecretUnusable, derive, load_or_create


def test_a_secret_is_made_once_and_reused(tmp_path):
    made = load_or_create(tmp_path, "signing-key")
    assert len(made) == 32
    assert load_or_create(tmp_path, "signing-key") == made
    assert load_or_create(tmp_path, "another", size=16) != made[:16]


def test_only_its_owner_can_read_a_secret(tmp_path):
    previous = os.umask(0)
    try:
        load_or_create(tmp_path / "data", "signing-key")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "data/secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data/secrets/signing-key").stat().st_mode) == 0o600


def test_a_secret_others_can_read_is_made_private_again(tmp_path):
    made = load_or_create(tmp_path, "signing-key")
    path = tmp_path / "secrets/signing-key"
    path.chmod(0o644)
    assert load_or_create(tmp_path, "signing-key") == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_all_who_start_at_once_get_the_same_secret(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: load_or_create(tmp_path, "signing-key"), range(64)))
    assert len(set(found)) == 1
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["signing-key"]


def test_the_secret_of_who_was_first_is_kept(tmp_path, monkeypatch):
    """Another process puts its secret there just after this one looked."""
    first = load_or_create(tmp_path, "signing-key")
    monkeypatch.setattr("pathlib.Path.exists", lambda _: False)
    assert load_or_create(tmp_path, "signing-key") == first
    assert len(list((tmp_path / "secrets").iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"short"])
def test_a_damaged_secret_is_not_silently_replaced(tmp_path, content):
    load_or_create(tmp_path, "signing-key")
    path = tmp_path / "secrets/signing-key"
    path.write_bytes(content)
    with pytest.raises(SecretUnusable, match=r"instead of 32\. Restore it from a backup"):
        load_or_create(tmp_path, "signing-key")
    assert path.read_bytes() == content


def test_a_data_directory_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "data").write_text("a file, not a folder")
    with pytest.raises(SecretUnusable, match="cannot be used: "):
        load_or_create(tmp_path / "data", "signing-key")


def test_each_purpose_has_its_own_key():
    assert derive(b"k" * 32, "cursors") == derive(b"k" * 32, "cursors")
    assert len({derive(b"k" * 32, "cursors"), derive(b"k" * 32, "links"), derive(b"l" * 32, "links"), b"k" * 32}) == 4
