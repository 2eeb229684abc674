"""The command line as people and cron use it, beside a running server that follows."""

import asyncio
import json
import logging
import re
import shutil
import signal
import socket
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from photochanger.adapters import system_log
from photochanger.adapters.passwords import Passwords
from tests.support.canary import leaks
from tests.support.multipart import encode, file, text
from tests.support.pictures import jpeg
from tests.support.product import ADMIN_PASSWORD, SLOT_PASSWORD
from tests.support.server import COMMAND, Server, running_server, until
from tests.support.wire import connected, request_head

SCRIPTS = Path(__file__).parents[2] / "scripts"
FOLLOWS_SECONDS = 4
"""It looks once a second; the rest is for a machine with other things to do."""


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
    assert len([line for line in listed.out.splitlines() if line < "slot-09"]) == 15


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
    assert "anna\tadmin\tdisabled\tproduct" in listed.out.splitlines()


async def test_accounts_of_the_credentials_file_are_followed(server, client):
    path = server.credentials_file
    passwords = Passwords()
    account = {"username": "filed", "password_hash": await passwords.hash(ADMIN_PASSWORD), "role": "admin"}
    passwords.close()
    path.write_text(json.dumps({"accounts": [account]}))
    await until(lambda: server.query("SELECT 1 FROM accounts WHERE username = 'filed'"), seconds=FOLLOWS_SECONDS)
    token = (await login(client, "filed", ADMIN_PASSWORD)).json()["access_token"]
    server.secrets |= {token, account["password_hash"]}

    seen = len(server.lines())
    path.write_text('{"accounts": [')
    await server.logged(lambda line: line["event"] == "credentials_file.broken", since=seen)
    signed_in = {"Authorization": f"Bearer {token}"}
    assert (await client.get("/api/settings", headers=signed_in)).status_code == 200

    path.unlink()

    async def is_signed_out():
        return (await client.get("/api/settings", headers=signed_in)).status_code == 401

    await until(is_signed_out, seconds=FOLLOWS_SECONDS)


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


async def test_cleaning_deletes_what_is_over_and_says_so(server, client):
    job_id = (await ingest(client, "slot-001", SLOT_PASSWORD)).headers["x-job-id"]
    password = ADMIN_PASSWORD.encode()
    await server.run("accounts", "create", "cleaner", "--role", "admin", "--password-stdin", stdin=password)
    token = (await login(client, "cleaner", ADMIN_PASSWORD)).json()["access_token"]
    server.secrets.add(token)
    over = await client.put(
        f"/api/jobs/{job_id}/expiry",
        json={"expires_at": datetime.now(UTC).isoformat()},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert over.status_code == 200, over.text

    said = [await server.run("cleanup", *options) for options in (["--dry-run"], [], [])]
    assert [ended.code for ended in said] == [0, 0, 0]
    counts = [re.match(r"(\d+) objects (would be deleted|deleted), (\d+) bytes$", ended.out) for ended in said]
    due, deleted, left = [(int(found[1]), int(found[3])) for found in counts if found]
    assert due == deleted
    assert due[0] >= 5
    assert left == (0, 0)


async def test_after_a_week_off_nothing_is_deleted_until_the_clock_is_confirmed(tmp_path):
    off = Server(tmp_path)
    assert (await off.run("reconcile", "--accept-clock")).code == 0
    with closing(sqlite3.connect(off.data_dir / "photochanger.db", isolation_level=None)) as database:
        database.execute("UPDATE seen_time SET seen_at = datetime(seen_at, '-7 days')")
    refused = await off.run("cleanup")
    assert (refused.code, refused.out) == (2, "")
    assert "forward by 168.0 hours" in refused.err
    looked = await off.run("reconcile")
    assert (looked.code, "--accept-clock" in looked.err) == (1, True)
    assert (await off.run("reconcile", "--accept-clock")).code == 0
    assert (await off.run("cleanup")).code == 0


def test_cleaning_tells_the_system_log(tmp_path, monkeypatch):
    address = str(tmp_path / "log")
    monkeypatch.setattr("photochanger.adapters.system_log.ADDRESS", address)
    assert system_log.tell("3 objects deleted", logging.INFO)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        assert system_log.tell("3 objects deleted", logging.INFO) is None
        assert b"photochanger: 3 objects deleted" in listener.recv(1000)


async def test_crons_script_cleans_from_any_folder(server):
    copy = server.folder / "checkout"
    (copy / "scripts").mkdir(parents=True)
    script = shutil.copy(SCRIPTS / "cleanup_media.py", copy / "scripts")
    lost = await server.execute(sys.executable, script, "--dry-run")
    assert (lost.code, lost.out) == (2, "")
    assert "scripts/start" in lost.err

    (copy / ".venv/bin").mkdir(parents=True)
    (copy / ".venv/bin/photochanger").symlink_to(COMMAND)
    found = await server.execute(sys.executable, script, "--dry-run")
    assert (found.code, found.out) == (0, "0 objects would be deleted, 0 bytes\n")


async def test_the_doctor_says_what_to_do(server):
    ended = await server.run("doctor", PUBLIC_BASE_URL="http://localhost:8000")
    assert ended.code == 1
    findings = dict(re.findall(r"^(?:ok  |BAD ) ([a-z ]+): (.+)$", ended.out, re.MULTILINE))
    assert list(findings) == ["database", "clock", "store", "secrets", "disk", "public address"]
    assert "BAD  public address: localhost leads back to this machine\n     → Set PUBLIC_BASE_URL" in ended.out


async def test_migrating_again_changes_nothing(server):
    assert await server.run("migrate") == (0, "The schema is up to date.\n", "")


async def test_a_wrong_configuration_is_told_whole_and_nothing_starts(tmp_path):
    server = Server(tmp_path)
    ended = await server.run("serve", SYNC_RESPONSE_SECONDS="5", JWT_SIGNING_KEY="pass-wörd", LOG_FORMAT="xml")
    assert (ended.code, ended.out) == (2, "")
    names = [line.split()[0] for line in ended.err.splitlines()]
    assert sorted(names) == ["JWT_SIGNING_KEY", "LOG_FORMAT", "SYNC_RESPONSE_SECONDS"]
    assert leaks(ended.err) == []
    assert not server.data_dir.exists()


async def test_a_taken_port_ends_the_server_and_its_workers(server):
    other = Server(server.folder / "other")
    other.folder.mkdir()
    ended = await other.run("serve", "--port", str(server.port))
    assert ended.code not in (0, 2)
    assert "address already in use" in ended.err
    assert "Traceback" not in ended.err


async def test_imaging_workers_do_not_load_the_server(server):
    assert server.workers() != []
    for worker in server.workers():
        assert not [mapped.path for mapped in worker.memory_maps() if "uvloop" in mapped.path]


async def test_sigterm_ends_the_server_when_its_last_photo_is_out(tmp_path):
    async with running_server(tmp_path) as server:
        await server.run("slots", "set-password", "slot-001", "--password-stdin", stdin=SLOT_PASSWORD.encode())
        content_type, body = encode([text("password", SLOT_PASSWORD), file(jpeg(2000, 1500, seed=81))])
        head = request_head("/api/ingest/slot-001", [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"])
        async with connected(server.port) as idle, connected(server.port) as wire, asyncio.timeout(20):
            await wire.send(head, body)
            await until(lambda: server.query("SELECT id FROM jobs"))
            stopping = asyncio.create_task(server.stop())
            assert (await wire.receive()).status == 200
            assert await idle.is_closed_by_server()
            assert await stopping in (0, -signal.SIGTERM)
        assert await server.survivors() == []
        assert leaks(server.log.read_text()) == []
        assert [line for line in server.lines() if line.get("level") in ("warning", "error")] == []
