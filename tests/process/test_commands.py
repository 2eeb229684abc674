"""The command line as people and cron use it, beside a running server that follows."""

import asyncio
import json
import os
import shutil
import socket
import sys
from pathlib import Path

import httpx
import pytest

from photochanger.adapters.passwords import Passwords
from tests.support.canary import leaks
from tests.support.multipart import encode, file, text
from tests.support.pictures import jpeg
from tests.support.product import ADMIN_PASSWORD, SLOT_PASSWORD
from tests.support.server import Server, running_server
from tests.support.wire import connected, request_head

SCRIPTS = Path(__file__).parents[2] / "scripts"
FOLLOWS_SECONDS = 2


@pytest.fixture
async def client(server):
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        yield client


async def ingest(client, slot, password):
    return await client.post(
        f"/api/ingest/{slot}",
        data={"password": password},
        files={"fileToUpload": ("a.jpg", jpeg(64, 48, seed=61), "image/jpeg")},
    )


async def login(client, name, password):
    return await client.post("/api/login", json={"username": name, "password": password})


async def eventually(client, name, password, status):
    """The answer to a login, as soon as it is this one; the server looks at its file once a second."""
    async with asyncio.timeout(FOLLOWS_SECONDS + 3):
        while (answer := await login(client, name, password)).status_code != status:
            await asyncio.sleep(0.1)
    return answer


async def test_a_slots_new_password_counts_at_once_and_the_old_no_more(server, client):
    first, second = f"{SLOT_PASSWORD} first", f"{SLOT_PASSWORD} second"
    for line, password in ((f"{first}\r\n", first), (f"{second}\nnot this line\n", second)):
        ended = await server.run("slots", "set-password", "slot-004", "--password-stdin", stdin=line.encode())
        assert (ended.code, ended.err) == (0, "")
        assert password not in ended.out
        assert (await ingest(client, "slot-004", password)).status_code == 200
    refused = await ingest(client, "slot-004", first)
    assert (refused.status_code, refused.json()["code"]) == (401, "slot-credentials-invalid")
    listed = await server.run("slots", "list")
    assert "slot-004\tenabled\tpassword\t" in listed.out
    assert "slot-005\tenabled\tno password\t" in listed.out
    assert len(listed.out.splitlines()) == 15


async def test_an_account_from_its_making_to_its_end(server, client):
    made = await server.run(
        *("accounts", "create", "anna", "--role", "admin", "--password-stdin"), stdin=f"{ADMIN_PASSWORD}\n".encode()
    )
    assert (made.code, made.err) == (0, "")
    token = (await login(client, "anna", ADMIN_PASSWORD)).json()["access_token"]
    server.secrets.add(token)
    signed_in = {"Authorization": f"Bearer {token}"}
    assert (await client.get("/api/settings", headers=signed_in)).status_code == 200

    changed = await server.run(
        "accounts", "set-password", "anna", "--password-stdin", stdin=f"{ADMIN_PASSWORD} 2\r\n".encode()
    )
    assert (changed.code, changed.err) == (0, "")
    assert (await client.get("/api/settings", headers=signed_in)).status_code == 401
    assert (await login(client, "anna", ADMIN_PASSWORD)).status_code == 401
    token = (await login(client, "anna", f"{ADMIN_PASSWORD} 2")).json()["access_token"]
    server.secrets.add(token)

    disabled = await server.run("accounts", "disable", "anna")
    assert (disabled.code, disabled.err) == (0, "")
    signed_in = {"Authorization": f"Bearer {token}"}
    assert (await client.get("/api/settings", headers=signed_in)).status_code == 401
    listed = await server.run("accounts", "list")
    assert "anna\tadmin\tdisabled\tlocal" in listed.out.splitlines()


async def test_accounts_of_the_credentials_file_are_followed(server, client):
    path = Path(server.environ["RUNTIME_CREDENTIALS_FILE"])
    passwords = Passwords()
    account = {"username": "filed", "password_hash": await passwords.hash(ADMIN_PASSWORD), "role": "admin"}
    passwords.close()
    path.write_text(json.dumps({"accounts": [account]}))
    token = (await eventually(client, "filed", ADMIN_PASSWORD, 200)).json()["access_token"]
    server.secrets |= {token, account["password_hash"]}

    seen = len(server.lines())
    path.write_text('{"accounts": [')
    await server.logged(lambda line: line["event"] == "credentials_file.broken", since=seen)
    signed_in = {"Authorization": f"Bearer {token}"}
    assert (await client.get("/api/settings", headers=signed_in)).status_code == 200

    path.unlink()
    async with asyncio.timeout(FOLLOWS_SECONDS + 3):
        while (await client.get("/api/settings", headers=signed_in)).status_code != 401:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("slots", "set-password", "slot-999", "--password-stdin"),
        ("accounts", "create", "short", "--role", "admin", "--password-stdin"),
        ("accounts", "disable", "nobody"),
    ],
    ids=lambda arguments: arguments[1],
)
async def test_what_a_command_cannot_do_is_one_line_and_exit_code_2(server, arguments):
    ended = await server.run(*arguments, stdin=b"1234\n")
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1


async def test_sending_photos_keeps_what_comes_back_and_tells_what_was_refused(server):
    (server.folder / "one.jpg").write_bytes(jpeg(64, 48, seed=71))
    (server.folder / "two.txt").write_bytes(b"no picture at all")
    ended = await server.run(
        *("send", "one.jpg", "two.txt", "--slot", "slot-001", "--url", server.url, "--out", "answers"),
        "--password-stdin",
        stdin=f"{SLOT_PASSWORD}\n".encode(),
    )
    assert ended.code == 1
    assert "one.jpg: transformed" in ended.out
    assert "two.txt: 415 unsupported-image" in ended.out
    assert [path.suffix for path in (server.folder / "answers").iterdir()] == [".jpg"]


async def test_cleaning_says_what_is_due_and_deletes_it(server, client):
    photo = await ingest(client, "slot-001", SLOT_PASSWORD)
    dry = await server.run("cleanup", "--dry-run")
    assert (dry.code, dry.out) == (0, "0 objects would be deleted, 0 bytes\n")
    await server.run("accounts", "create", "cleaner", "--role", "admin", "--password-stdin", stdin=ADMIN_PASSWORD.encode())
    token = (await login(client, "cleaner", ADMIN_PASSWORD)).json()["access_token"]
    server.secrets.add(token)
    now = (await client.get("/livez")).headers["date"]
    assert now
