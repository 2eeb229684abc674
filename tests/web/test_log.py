import io
import json
import logging

import pytest
import structlog

from photochanger.web.log import configure
from photochanger.web.redact import is_secret_name, one_line, redact


@pytest.fixture
def output():
    root = logging.getLogger()
    before = (root.handlers, root.level, structlog.get_config())
    stream = io.StringIO()
    yield stream
    root.handlers, root.level = before[0], before[1]
    structlog.configure(**before[2])


def call(url):
    raise ValueError(url)


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_lines_and_the_libraries_lines_have_one_shape(output):
    configure("info", "json", output)
    structlog.get_logger("photochanger.x").info("slot.renamed", slot_id="slot-001")
    logging.getLogger("some.library").warning("failed %s times", 3)
    ours, theirs = lines(output)
    assert (ours["event"], ours["slot_id"], ours["level"]) == ("slot.renamed", "slot-001", "info")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("failed 3 times", "warning", "some.library")
    assert ours["timestamp"].endswith("Z")


def test_the_level_holds(output):
    configure("warning", "json", output)
    structlog.get_logger("photochanger.x").info("quiet")
    logging.getLogger("some.library").info("quiet")
    structlog.get_logger("photochanger.x").warning("loud")
    assert [line["event"] for line in lines(output)] == ["loud"]


def test_chatty_libraries_and_the_servers_access_log_are_quiet(output):
    configure("debug", "json", output)
    logging.getLogger("aiosqlite").info("executing")
    logging.getLogger("botocore.endpoint").debug("GET https://s3/?X-Amz-Signature=1")
    logging.getLogger("uvicorn.access").warning("GET /?key=hunter2")
    assert output.getvalue() == ""


@pytest.mark.parametrize("layout", ["json", "console"])
def test_no_secret_leaves(output, layout):
    configure("info", layout, output)
    log = structlog.get_logger("photochanger.x")
    log.info(
        "all",
        password="hunter2",
        headers={"Authorization": "hunter2", "Set-Cookie": "hunter2", "X-Slot-Password": "hunter2"},
        items=[{"t": "hunter2"}, "https://s3.example/photo.jpg?X-Amz-Signature=hunter2"],
        url="/public/results/1?t=hunter2",
        dsn="postgresql+asyncpg://me:hunter2@db/x",
        cause=ValueError("Bearer hunter2"),
        path="/r/hunter2/guest",
    )
    logging.getLogger("lib").warning("GET https://api.example/v1?key=%s", "hunter2")
    try:
        call("https://api.example/v1?key=hunter2")
    except ValueError:
        log.exception("crashed")
    text = output.getvalue()
    assert "hunter2" not in text
    assert "ValueError" in text
    assert "https://s3.example/photo.jpg" in text


@pytest.mark.parametrize("name", ["password", "X-Slot-Password", "jwt_secret", "access_token", "key", "t", "api_key"])
def test_secret_names_are_known(name):
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["object_key", "slot_id", "text", "kind", "monkey", "token_count", "keys"])
def test_other_names_are_not_secret(name):
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "text", ["slot.renamed", "is it? yes", "10/s? no", "https://photo.example/a/b", "/usr/lib/r", "for/r/x"]
)
def test_plain_texts_are_left_alone(text):
    assert redact(text) == text or "?" in text


def test_a_line_stays_a_line():
    assert one_line("a\nb\x1b[31m\u2028c") == "a\ufffdb\ufffd[31m\ufffdc"
    assert len(one_line("x" * 5000)) == 200
