import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import DictLoader, UndefinedError
from litestar import Request, Response, get

from photochanger.assets import assets
from photochanger.web.render import environment, page
from photochanger.web.static import StaticFiles
from photochanger.web.words import ago, in_words, left, number
from tests.support.clock import FakeClock
from tests.support.web import client_of, kit_app

NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)


@get("/slots", sync_to_thread=False)
def slots(request: Request[Any, Any, Any]) -> Response[str]:
    return page(request, "slots.html", {"rows": ["<b>", "two"], "at": NOW}, fragment="slot_table")


def app():
    made = kit_app(slots)
    engine = made.template_engine.engine  # type: ignore[union-attr]
    whole = '{% extends "public.html" %}{% block content %}<h1>Slots</h1>{% block slot_table %}'
    rows = "{% for row in rows %}<p>{{ row }}</p>{% endfor %}{{ ui.left(at) }}{% endblock %}{% endblock %}"
    own = DictLoader({"slots.html": whole + rows})
    found = engine.loader.get_source

    def source(env, name):
        return own.get_source(env, name) if name == "slots.html" else found(env, name)

    engine.loader.get_source = source
    return made


async def ask(**headers):
    async with client_of(app()) as client:
        return await client.get("/slots", headers=headers)


async def test_a_visit_gets_the_whole_document():
    answer = await ask()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["vary"] == "HX-Request"
    assert answer.text.startswith("<!doctype html>")
    assert "<h1>Slots</h1>" in answer.text
    assert "<p>&lt;b&gt;</p>" in answer.text


async def test_htmx_gets_the_block_alone():
    answer = await ask(**{"HX-Request": "true"})
    assert answer.text.startswith("<p>&lt;b&gt;</p><p>two</p><time")
    assert answer.headers["vary"] == "HX-Request"


async def test_a_page_restored_from_history_is_whole():
    answer = await ask(**{"HX-Request": "true", "HX-History-Restore-Request": "true"})
    assert answer.text.startswith("<!doctype html>")


def env():
    return environment(assets("templates"), StaticFiles(assets("static")), FakeClock(NOW))


def test_every_template_compiles():
    jinja = env()
    assert {"base.html", "public.html", "problem.html", "components/ui.html"} <= set(jinja.list_templates())
    for name in jinja.list_templates(extensions=["html"]):
        jinja.get_template(name)


def test_a_name_nobody_gave_is_an_error():
    with pytest.raises(UndefinedError):
        env().from_string("{{ nobody }}").render()


def test_a_static_file_that_is_not_there_is_an_error():
    with pytest.raises(KeyError):
        env().from_string("{{ static('css/none.css') }}").render()


def test_no_template_carries_inline_script_or_style():
    for path in assets("templates").rglob("*.html"):
        text = path.read_text().lower()
        assert " style=" not in text, path
        assert "<style" not in text, path
        assert " onclick" not in text, path
        assert "<script>" not in text, path


def test_the_htmx_configuration_forbids_eval():
    html = env().get_template("base.html").render()
    config = html.split('name="htmx-config" content=\'')[1].split("'")[0]
    assert json.loads(config)["allowEval"] is False
    assert json.loads(config)["includeIndicatorStyles"] is False


def test_a_photo_tells_its_size_and_its_time():
    photo = SimpleNamespace(
        url="/public/results/1",
        thumb_url="/public/results/1/thumb",
        width=3000,
        height=2000,
        created_at=NOW,
        expires_at=NOW + timedelta(days=2, hours=5),
    )
    html = env().from_string("{{ ui.photo(photo) }}").render(photo=photo)
    assert 'width="3000" height="2000"' in html
    assert '<time datetime="2026-11-23T13:30:00+00:00" title="2026-11-23 13:30:00 UTC">2 days left</time>' in html


def test_the_pager_names_what_there_is():
    pager = env().from_string("{{ ui.pager(previous, next) }}")
    assert 'href="?page=2" rel="next">Next<' in pager.render(previous=None, next="?page=2")
    assert "Previous" not in pager.render(previous=None, next="?page=2")
    assert pager.render(previous=None, next=None).strip() == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (59, "less than a minute"),
        (60, "1 minute"),
        (3599, "59 minutes"),
        (7200, "2 hours"),
        (86_399, "23 hours"),
        (86_400, "1 day"),
        (200_000, "2 days"),
    ],
)
def test_spans_are_rounded_down(seconds, words):
    assert in_words(timedelta(seconds=seconds)) == words


def test_moments_are_told_from_now():
    assert ago(NOW - timedelta(minutes=3), NOW) == "3 minutes ago"
    assert ago(NOW + timedelta(hours=1), NOW) == "in 1 hour"
    assert left(NOW + timedelta(days=3), NOW) == "3 days left"
    assert left(NOW, NOW) == "over"
    assert number(1234567) == "1,234,567"


def test_vendored_files_are_what_they_claim_to_be():
    folder = assets("static") / "vendor"
    listed = json.loads((folder / "versions.json").read_text())
    assert {each["file"] for each in listed} == {path.name for path in folder.glob("*.js")}
    for each in listed:
        digest = hashlib.sha384((folder / each["file"]).read_bytes()).digest()
        assert each["sha384"] == "sha384-" + base64.b64encode(digest).decode(), each["file"]
        assert each["name"]
        assert each["version"].startswith("2.")


async def test_a_static_file_under_its_hash_is_kept_for_good():
    async with client_of(app()) as client:
        url = StaticFiles(assets("static")).url("css/base.css")
        answer = await client.get(url)
        plain = await client.get("/static/css/base.css")
        wrong = await client.get("/static/css/base.css?v=0000")
        again = await client.get("/static/css/base.css", headers={"If-None-Match": plain.headers["etag"]})
        head = await client.head("/static/css/base.css")
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.content == (assets("static") / "css/base.css").read_bytes()
    assert plain.headers["cache-control"] == wrong.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")
    assert (head.status_code, head.content, head.headers["content-length"]) == (
        200,
        b"",
        str(len(answer.content)),
    )


@pytest.mark.parametrize(
    "name",
    [
        "%00",
        "css/base.css%00",
        "a" * 5000,
        "../pyproject.toml",
        "..%2fpyproject.toml",
        "%2e%2e/pyproject.toml",
        "css",
        "css/",
        "",
        ".keep",
        "/etc/passwd",
    ],
)
async def test_a_name_that_is_no_static_file_is_not_found(name):
    async with client_of(app()) as client:
        answer = await client.get(f"http://localhost/static/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_javascript_is_served_as_such():
    async with client_of(app()) as client:
        answer = await client.get("/static/vendor/htmx.min.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
