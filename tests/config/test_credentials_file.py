import json
import os

import argon2
import pytest

from photochanger.adapters.credentials_file import Credentials, CredentialsFile, CredentialsFileBroken

HASH = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("canary-password")
ANNA = {"username": "anna", "password_hash": HASH, "role": "admin"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "credentials.json"


def broken(path, content: object) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(CredentialsFileBroken) as caught:
        CredentialsFile(path).read()
    return str(caught.value)


def test_accounts_and_provider_keys_are_read(path):
    path.write_text(json.dumps({"accounts": [ANNA], "providers": {"gemini": {"api_key": "canary-key"}}}))
    found = CredentialsFile(path).read()
    [account] = found.accounts
    assert (account.username, account.password_hash, account.role) == ("anna", HASH, "admin")
    assert found.providers["gemini"].api_key == "canary-key"


@pytest.mark.parametrize("content", ["{}", '{"accounts": []}', '\ufeff{"providers": {}}'])
def test_a_file_may_leave_things_out(path, content):
    path.write_text(content)
    assert CredentialsFile(path).read() == Credentials()


def test_no_file_and_a_file_that_is_not_there_yet_are_empty(path):
    assert CredentialsFile(None).read() == CredentialsFile(path).read() == Credentials()


def test_a_change_is_seen_once(path):
    file = CredentialsFile(path)
    file.read()
    file.followed()
    assert not file.changed()
    path.write_text(json.dumps({"accounts": [ANNA]}))
    assert file.changed()
    assert len(file.read().accounts) == 1
    assert file.changed()  # until what was read holds everywhere
    file.followed()
    assert not file.changed()
    path.unlink()
    assert file.changed()
    assert file.read() == Credentials()


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_a_change(path, tmp_path):
    path.write_text(json.dumps({"providers": {"gemini": {"api_key": "one"}}}))
    file = CredentialsFile(path)
    file.read()
    file.followed()
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    other = tmp_path / "other"
    other.write_text(json.dumps({"providers": {"gemini": {"api_key": "two"}}}))
    os.utime(other, ns=times)
    other.replace(path)
    assert file.changed()
    assert file.read().providers["gemini"].api_key == "two"


def test_a_broken_file_leaves_what_was_read_before_and_is_told_once(path):
    path.write_text(json.dumps({"accounts": [ANNA]}))
    file = CredentialsFile(path)
    before = file.read()
    path.write_text('{"accounts": [')
    assert file.changed()
    with pytest.raises(CredentialsFileBroken):
        file.read()
    assert file.current == before
    assert not file.changed()


def test_every_mistake_is_named_with_its_place(path):
    text = broken(
        path,
        {
            "accounts": [
                ANNA,
                ANNA | {"username": "ANNA"},
                {"username": "", "password_hash": "plain", "role": "boss"},
                ANNA | {"username": "otto", "password_hash": HASH.replace("argon2id", "argon2i")},
            ],
            "providers": {"gemini": {"api_key": ""}, "openai": {"key": "x"}},
        },
    )
    for part in [
        "accounts.2.username must be a text from 1 to 64 characters",
        "accounts.2.role must be one of admin, member, operator",
        "providers.gemini.api_key must be a text",
        "providers.openai.api_key is required",
        "providers.openai.key is not a member",
    ]:
        assert part in text


def test_accounts_are_unique_and_their_hashes_argon2id(path):
    others = [ANNA | {"username": "Anna"}, ANNA | {"username": "otto", "password_hash": HASH.replace("2id", "2i")}]
    text = broken(path, {"accounts": [ANNA, *others, ANNA | {"username": "ida", "password_hash": "plain"}]})
    assert "accounts.1.username stands in the file already" in text
    assert "accounts.2.password_hash must be an Argon2id hash" in text
    assert "accounts.3.password_hash must be an Argon2id hash" in text


@pytest.mark.parametrize("content", ["", "[]", "{", "null", '{"accounts": {}}', '{"providers": []}', "[" * 100_000])
def test_what_is_no_such_document_is_refused(path, content):
    assert str(path) in broken(path, content)


def test_a_file_in_another_encoding_is_refused(path):
    path.write_bytes(b'{"providers": {"gemini": {"api_key": "\xff"}}}')
    with pytest.raises(CredentialsFileBroken, match="is not JSON in UTF-8"):
        CredentialsFile(path).read()


def test_a_file_that_cannot_be_read_is_not_taken_for_a_missing_one(path):
    path.mkdir()
    with pytest.raises(CredentialsFileBroken, match="cannot be read"):
        CredentialsFile(path).read()


def test_no_value_is_in_an_error_or_a_repr(path):
    document = {
        "accounts": [{"username": 7, "password_hash": "canary", "role": "canary"}],
        "providers": {"gemini": {"api_key": ["canary"]}},
    }
    assert "canary" not in broken(path, document)
    path.write_text(json.dumps({"accounts": [ANNA], "providers": {"gemini": {"api_key": "canary"}}}))
    text = repr(CredentialsFile(path).read())
    assert "canary" not in text
    assert HASH not in text
