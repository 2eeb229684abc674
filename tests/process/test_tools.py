"""The operator's tools as they are run at an event: beside a real server, killed, cut off, and started again."""

import asyncio
import subprocess
from contextlib import asynccontextmanager

import httpx
import pytest

from photochanger.booth.record import FAILURES
from tests.support.fault_proxy import FaultProxy
from tests.support.imaging import opened
from tests.support.pictures import jpeg
from tests.support.product import ADMIN_PASSWORD
from tests.support.server import COMMAND, until

TOOL_SECONDS = 60
"""For what takes a second where nothing else runs."""
PASSWORD = "tool pass-wörd"
PIN, WRONG_PIN = "4711", "0815"
_FIRST_SLOT = 6
_slots: dict[str, str] = {}


@pytest.fixture(scope="session")
async def admin(server):
    """A client who is signed in."""
    made = await server.run(
        *("accounts", "create", "host", "--role", "admin", "--password-stdin"), stdin=ADMIN_PASSWORD.encode()
    )
    assert made.code == 0, made.err
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        login = await client.post("/api/login", json={"username": "host", "password": ADMIN_PASSWORD})
        client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        server.secrets.add(login.json()["access_token"])
        yield client


@pytest.fixture
async def slot(admin, request):
    """One for each function, with a password; with an empty gallery as long as nothing is sent."""
    slot = _slots.setdefault(request.function.__name__, f"slot-{_FIRST_SLOT + len(_slots):03}")
    await configure(admin, slot, password=PASSWORD)
    return slot


async def configure(admin, slot, **changes):
    version = (await admin.get(f"/api/slots/{slot}")).json()["version"]
    saved = await admin.put(f"/api/slots/{slot}", json={"version": version, **changes})
    assert saved.status_code == 200, saved.text
    return saved.json()


@pytest.fixture
def desk(tmp_path):
    """Where the booth's PC has its folders."""
    (tmp_path / "in").mkdir()
    (tmp_path / "password.txt").write_text(f"\ufeff{PASSWORD}\r\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
async def wire(server):
    proxy = FaultProxy(server.port)
    async with proxy.listening():
        yield proxy


def address(wire):
    return f"http://127.0.0.1:{wire.port}"


class Tool:
    def __init__(self, process, log):
        self.process, self._log = process, log

    @property
    def said(self):
        return self._log.read_text()

    async def says(self, words):
        def is_said():
            assert words in self.said or self.process.poll() is None, self.said
            return words in self.said

        try:
            await until(is_said, seconds=TOOL_SECONDS)
        except TimeoutError:
            raise AssertionError(self.said) from None


@asynccontextmanager
async def running(server, desk, *arguments):
    """A tool that goes on until it is killed."""
    log = desk / "said.txt"
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: ASYNC220 – returns at once
            [COMMAND, *arguments], cwd=desk, env=server.environ, stdout=file, stderr=file
        )
    try:
        yield Tool(process, log)
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


def watching(server, desk, slot, *arguments, url=None):
    options = ("--slot", slot, "--url", url or server.url, "--out", "out", "--password-file", "password.txt")
    return running(server, desk, "watch", "in", *options, "--every", "0.1", *arguments)


def pulling(server, desk, slot, *arguments):
    return running(
        server, desk, "pull", "--slot", slot, "--url", server.url, "--out", "out", "--every", "0.1", *arguments
    )


async def tool(server, desk, *arguments, url=None):
    """One that ends by itself."""
    return await server.execute(
        COMMAND, *arguments, "--url", url or server.url, "--password-file", desk / "password.txt"
    )


def shoot(desk, name, seed):
    (desk / "in" / name).write_bytes(jpeg(64, 48, seed=seed))


def photos(folder):
    return sorted(path.name for path in folder.glob("*") if path.suffix.lower() in {".jpg", ".png"})


def jobs(server, slot, status="done"):
    return server.query(f"SELECT count(*) FROM jobs WHERE slot_id = '{slot}' AND status = '{status}'")[0][0]


async def test_photos_are_sent_once_and_made_again_only_when_asked(server, desk, slot):
    shoot(desk, "one.jpg", 1)
    (desk / "in/two.txt").write_bytes(b"no picture at all")
    files = [desk / "in/one.jpg", desk / "in/two.txt"]
    first = await tool(server, desk, "send", *files, "--slot", slot, "--out", desk / "out")
    assert first.code == 1, first.err
    assert first.out.splitlines()[1].startswith("one.jpg  transformed")
    assert first.out.splitlines()[2].startswith("two.txt  415 unsupported-image")
    second = await tool(server, desk, "send", files[0], "--slot", slot, "--out", desk / "out")
    third = await tool(server, desk, "send", files[0], "--slot", slot, "--out", desk / "out", "--again")
    assert [(ended.code, ended.out.split()[5]) for ended in (second, third)] == [(0, "duplicate"), (0, "transformed")]
    assert jobs(server, slot) == 2
    assert len(photos(desk / "out")) == 2
    assert first.err == second.err == ""  # no progress bar where there is no terminal


async def test_a_lost_answer_is_fetched_and_not_made_twice(server, desk, slot, wire):
    shoot(desk, "one.jpg", 1)
    wire.set("lose_answer", times=1)
    ended = await tool(
        server, desk, "send", desk / "in/one.jpg", "--slot", slot, "--out", desk / "out", url=address(wire)
    )
    assert wire.met == 1
    assert (ended.code, ended.out.split()[5]) == (0, "duplicate")
    assert jobs(server, slot) == 1


@pytest.mark.parametrize("command", [["send", "in/one.jpg"], ["watch", "in", "--catch-up"]], ids=["send", "watch"])
async def test_a_wrong_password_is_said_plainly(server, desk, command):
    shoot(desk, "one.jpg", 1)
    (desk / "password.txt").write_text("not this one")
    server.secrets.add("not this one")
    async with running(
        server,
        desk,
        *command,
        "--slot",
        "slot-001",
        "--url",
        server.url,
        "--out",
        "out",
        "--password-file",
        "password.txt",
    ) as running_tool:
        assert await asyncio.to_thread(running_tool.process.wait, TOOL_SECONDS) == 2
    assert running_tool.said.splitlines()[-1] == "The password of slot-001 is wrong."


async def test_a_hot_folder_goes_on_after_a_kill_and_sends_each_photo_once(server, desk, slot, wire):
    shoot(desk, "before.jpg", 1)
    async with watching(server, desk, slot, url=address(wire)) as watch:
        await watch.says("1 photos were there before the start and are left; --catch-up sends them.")
        shoot(desk, "IMG_1.JPG", 2)
        await watch.says("IMG_1.JPG: transformed, kept as IMG_1.JPG")
        (desk / "in/copy.jpg").write_bytes((desk / "in/IMG_1.JPG").read_bytes())
        await watch.says("copy.jpg: the same photo as IMG_1.JPG")
        wire.set("lose_answer")
        shoot(desk, "IMG_2.JPG", 3)
        await watch.says("IMG_2.JPG: the connection broke; it is tried again")
    wire.heal()
    async with watching(server, desk, slot, url=address(wire)) as watch:
        await watch.says("kept as IMG_2.JPG")
        shoot(desk, "IMG_1.JPG", 4)
        await watch.says("IMG_1.JPG: transformed, kept as IMG_1-2.JPG")
        assert photos(desk / "out") == ["IMG_1-2.JPG", "IMG_1.JPG", "IMG_2.JPG"]
    async with watching(server, desk, slot, "--catch-up") as watch:
        await watch.says("before.jpg: transformed")
    assert photos(desk / "out") == ["IMG_1-2.JPG", "IMG_1.JPG", "IMG_2.JPG", "before.jpg"]
    assert jobs(server, slot) == 4
    assert not (desk / "out" / FAILURES).exists()


async def test_a_photo_cut_short_is_listed_and_sent_again_when_it_is_whole(server, desk, slot):
    whole = jpeg(640, 480, seed=1)
    async with watching(server, desk, slot) as watch:
        await watch.says("in is watched")
        (desk / "in/half.jpg").write_bytes(whole[: len(whole) // 2])
        await watch.says("half.jpg: 422 image-unreadable")
        assert (desk / "out" / FAILURES).read_text().startswith("half.jpg\t422 image-unreadable")
        (desk / "in/half.jpg").write_bytes(whole)
        await watch.says("half.jpg: transformed")
    assert not (desk / "out" / FAILURES).exists()
    assert opened((desk / "out/half.jpg").read_bytes()).size == (640, 480)


async def test_a_server_that_is_away_is_waited_for_and_failures_are_tried_again_on_request(
    server, admin, desk, slot, wire
):
    frame = [{"provider": "darkroom", "operation": "frame"}]  # there is none: the step fails
    await configure(admin, slot, chain=frame)
    wire.set("refuse")
    async with watching(server, desk, slot, url=address(wire)) as watch:
        await watch.says("in is watched")
        shoot(desk, "a.jpg", 1)
        await watch.says("a.jpg: the connection broke; it is tried again")
        wire.heal()
        await watch.says("a.jpg: 502 provider-failed")
    assert jobs(server, slot, "failed") == 1
    await configure(admin, slot, chain=[{"provider": "darkroom", "operation": "sepia"}])
    async with watching(server, desk, slot, "--retry-failed") as watch:
        await watch.says("a.jpg: transformed")
    assert not (desk / "out" / FAILURES).exists()


async def fill(server, slot, *seeds):
    """Photos into the slot's gallery; their ids."""
    async with httpx.AsyncClient(base_url=server.url, timeout=TOOL_SECONDS) as client:
        answers = [
            await client.post(
                f"/api/ingest/{slot}",
                data={"password": PASSWORD},
                files={"photo": ("a.jpg", jpeg(64, 48, seed=seed), "image/jpeg")},
            )
            for seed in seeds
        ]
    assert [answer.status_code for answer in answers] == [200] * len(seeds)
    return {answer.headers["x-job-id"][-8:]: answer.content for answer in answers}


async def test_a_print_folder_gets_each_photo_of_all_pages_once(server, admin, desk, slot):
    await configure(admin, slot, gallery={"page_size": 2})
    sent = await fill(server, slot, 1, 2, 3, 4, 5)
    async with pulling(server, desk, slot):
        await until(lambda: len(photos(desk / "out")) == 5, seconds=TOOL_SECONDS)
        sent |= await fill(server, slot, 6)
        await until(lambda: len(photos(desk / "out")) == 6, seconds=TOOL_SECONDS)
    assert {path.stem[-8:]: path.read_bytes() for path in (desk / "out").glob("*.jpg")} == sent
    for path in (desk / "out").glob("*.jpg"):
        path.unlink()  # printed
    last = await fill(server, slot, 7)
    async with pulling(server, desk, slot):
        await until(lambda: photos(desk / "out") != [], seconds=TOOL_SECONDS)
    assert [name[-12:-4] for name in photos(desk / "out")] == list(last)


async def test_what_is_in_a_gallery_already_can_be_left(server, desk, slot):
    await fill(server, slot, 1, 2)
    async with pulling(server, desk, slot, "--only-new") as pull:
        await pull.says("2 photos are there already and are left.")
        new = await fill(server, slot, 3)
        await until(lambda: photos(desk / "out") != [], seconds=TOOL_SECONDS)
    assert [name[-12:-4] for name in photos(desk / "out")] == list(new)


async def test_a_closed_gallery_opens_with_its_pin_or_its_link(server, admin, desk, slot):
    sent = await fill(server, slot, 1)
    await configure(admin, slot, gallery={"access": "pin", "pin": PIN})
    for arguments, says in (((), "pin-required: "), (("--pin", WRONG_PIN), "That is not the PIN")):
        async with pulling(server, desk, slot, *arguments) as pull:
            assert await asyncio.to_thread(pull.process.wait, TOOL_SECONDS) == 2
        assert says in pull.said
    async with pulling(server, desk, slot, "--pin", PIN):
        await until(lambda: photos(desk / "out") != [], seconds=TOOL_SECONDS)

    saved = await configure(admin, slot, gallery={"access": "link"})
    more = await fill(server, slot, 2)
    async with pulling(server, desk, slot) as pull:
        assert await asyncio.to_thread(pull.process.wait, TOOL_SECONDS) == 2
    assert "gallery-not-found" in pull.said
    async with pulling(server, desk, slot, "--key", saved["gallery"]["url"].partition("?k=")[2]):
        await until(lambda: len(photos(desk / "out")) == 2, seconds=TOOL_SECONDS)
    assert {path.stem[-8:] for path in (desk / "out").glob("*.jpg")} == set(sent | more)


@pytest.mark.parametrize("dialect", ["image", "json", "breeze_multipart"])
async def test_a_simulated_booth_prints_a_session_of_five_photos(server, admin, desk, slot, dialect):
    await configure(admin, slot, response_dialect=dialect)
    for number in range(5):
        shoot(desk, f"{number}.jpg", 10 * len(dialect) + number)
    shots = sorted((desk / "in").iterdir())
    ended = await tool(
        server,
        desk,
        "booth",
        *shots,
        "--slot",
        slot,
        "--every",
        "0",
        "--out",
        desk / "paper",
        "--text",
        f"ref={dialect}",
    )
    assert (ended.code, ended.err) == (0, "")
    assert [line.split("  ")[-1] for line in ended.out.splitlines()] == [f"transformed, {dialect}"] * 5
    assert photos(desk / "paper") == [f"001-{number:02}-photo.jpg" for number in range(1, 6)]
    assert opened((desk / "paper/001-05-photo.jpg").read_bytes()).size == (64, 48)
    assert server.query(f"SELECT count(*) FROM jobs WHERE slot_id = '{slot}' AND ref = '{dialect}'") == [(5,)]


async def test_a_simulated_booth_prints_originals_where_it_gets_no_photos(server, desk):
    shoot(desk, "0.jpg", 1)
    (desk / "password.txt").write_text("wrong-4711")
    server.secrets.add("wrong-4711")
    ended = await tool(server, desk, "booth", desk / "in/0.jpg", "--slot", "slot-001", "--out", desk / "paper")
    assert ended.code == 1
    assert "001-01-original.jpg  401 slot-credentials-invalid" in ended.out
    assert (desk / "paper/001-01-original.jpg").read_bytes() == (desk / "in/0.jpg").read_bytes()


async def test_the_tools_load_nothing_of_the_server(server):
    ended = await server.execute(
        COMMAND.with_name("python"),
        *("-c", "import sys, photochanger.booth.commands; print(' '.join(sys.modules))"),
    )
    loaded = ended.out.split()
    assert "aiohttp" in loaded
    assert not {"litestar", "sqlalchemy", "pyvips", "photochanger.config", "photochanger.cli"} & set(loaded)
