"""The cloud providers inside the product: from a key to the photo in the sender's hand."""

import json
from typing import Any

import pytest

from tests.support import pictures
from tests.support.clock import FakeClock
from tests.support.drivers import step
from tests.support.imaging import has_metadata, opened
from tests.support.product import running_product
from tests.support.vendors import Vendors

KEYS = ("canary-key-gemini", "canary-key-openai", "canary-key-file")
GEMINI = step("gemini", prompt="as a hero canary-prompt")
OPENAI = step("openai", prompt="as a hero canary-prompt")
TURBOTEXT = step("turbotext", "generate_image2image", prompt="as a hero canary-prompt")
CHAINS = {"gemini": GEMINI, "openai": OPENAI, "turbotext": TURBOTEXT}
ANSWERS: list[dict[str, Any]] = [
    {"shape": "1:1"},
    {"shape": "9:16", "format": "webp"},
    {"format": "png"},
    {"shape": "4:5", "format": "png", "transparent": True},
    {"shape": "16:9", "format": "webp", "transparent": True, "content_type": "a/b"},
]
"""What vendors answer, whatever was sent."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def product(tmp_path, shared_imaging, vendors: Vendors, clock, product_log):
    """Gemini and OpenAI have a key in the environment; Turbotext has none."""
    environ = {
        **vendors.environ,
        "GEMINI_API_KEY": KEYS[0],
        "OPENAI_API_KEY": KEYS[1],
        "TURBOTEXT_API_KEY": "",
        "RUNTIME_CREDENTIALS_FILE": str(tmp_path / "keys.json"),
    }
    environ["PUBLIC_BASE_URL"] = vendors.url
    async with running_product(tmp_path / "data", shared_imaging, environ=environ, clock=clock) as product:
        vendors.product = product.client
        yield product
    assert not [word for word in (*KEYS, "canary-prompt") if word in product_log.getvalue()]


@pytest.fixture
def give_key(product, tmp_path):
    """To Turbotext."""

    async def give() -> None:
        (tmp_path / "keys.json").write_text(json.dumps({"providers": {"turbotext": {"api_key": KEYS[2]}}}))
        await product.parts.accounts.sync_credentials_file()  # what maintenance does each second

    return give


@pytest.mark.parametrize("name", ["gemini", "openai", "turbotext"])
async def test_whatever_a_vendor_sends_leaves_in_format_and_shape_of_the_photo(product, vendors, give_key, name):
    await give_key()
    await product.change_slot(chain=[CHAINS[name]])
    product.parts.providers.get("turbotext")._every = 0.02
    await vendors.play(name, *(answer for answer in ANSWERS for _ in range(2)), {"shape": "1:1"})
    for seed, each in enumerate(ANSWERS):
        mode = "RGBA" if "transparent" in each else "RGB"
        answer = await product.send(pictures.jpeg(300, 500, orientation=6, gps=True, seed=seed))
        assert answer.headers["content-type"] == "image/jpeg", answer.text
        made = opened(answer.content)
        assert (made.format, made.mode, has_metadata(answer.content)) == ("JPEG", "RGB", False)
        assert made.width / made.height == pytest.approx(3 / 5, rel=0.01)
        assert coarseness(made) <= coarseness(opened(pictures.jpeg(16, 16, quality=92)))

        answer = await product.send(pictures.png(600, 400, alpha="clear", seed=seed))
        assert answer.headers["content-type"] == "image/png", answer.text
        made = opened(answer.content)
        assert (made.format, made.mode, has_metadata(answer.content)) == ("PNG", mode, False)
        assert made.width / made.height == pytest.approx(3 / 2, rel=0.01)

    await product.change_slot(keep_shape=False)
    answer = await product.send(pictures.jpeg(500, 300))
    made = opened(answer.content)
    assert made.width == made.height


def coarseness(picture) -> int:
    """Of a JPEG: how much its tables throw away."""
    return sum(sum(table) for table in picture.quantization.values())


async def test_an_attempt_keeps_what_the_vendor_said(product, vendors):
    await product.change_slot(chain=[GEMINI, OPENAI])
    await vendors.play("gemini", {"do": "server_error", "status": 500})
    answer = await product.send(pictures.jpeg(600, 400))
    assert answer.status_code == 200, answer.text
    first, *_, last = (await product.job(answer.headers["x-job-id"]))["attempts"]
    assert (first["provider"], first["outcome"]) == ("gemini", "unavailable")
    assert (last["outcome"], bool(last["vendor_request_id"])) == ("delivered", True)
    log = await vendors.log()
    assert [picture["size_bytes"] > 1000 for call in log["calls"] for picture in call["pictures"]]


async def test_a_provider_without_a_key_may_be_chosen_and_works_once_it_has_one(product, give_key):
    settings = (await product.client.get("/api/settings", headers=product.admin)).json()
    assert set(settings["provider_concurrency"]) == {"darkroom", "gemini", "openai", "turbotext"}
    await product.change_slot(chain=[step("turbotext", "generate_image2image")])
    refused = await product.send(pictures.jpeg(60, 40))
    assert (refused.status_code, refused.json()["code"]) == (502, "provider-failed")
    [attempt] = (await product.job(refused.headers["x-job-id"]))["attempts"]
    assert (attempt["outcome"], attempt["error"]) == ("bad_configuration", "The provider turbotext has no key.")
    await give_key()
    assert (await product.send(pictures.jpeg(60, 40))).status_code == 200


async def test_health_names_every_provider_and_asks_a_vendor_once_a_minute(product, vendors, clock):
    async def providers():
        clock.advance(seconds=2)
        answer = await product.client.get("/healthz")
        assert answer.status_code == 200
        return answer.json()["checks"]["providers"]

    found = await providers()
    assert {name: each["ok"] for name, each in found.items()} == {
        "darkroom": True,
        "gemini": True,
        "openai": True,
        "turbotext": None,
    }
    assert found["turbotext"]["reason"] == "not configured"
    await vendors.play("openai", probe={"do": "wrong_key"})
    assert (await providers())["openai"]["ok"] is True
    clock.advance(seconds=60)
    found = await providers()
    assert found["openai"]["ok"] is False
    assert found["openai"]["reason"] == "it answers 401: the key is refused, or may not do this"
    assert (await vendors.log())["calls"] == []


@pytest.mark.parametrize("act", ["deliver", "blocked"])
async def test_a_link_for_the_vendor_lives_as_long_as_the_job(product, vendors, give_key, product_log, act):
    await give_key()
    await product.change_slot(chain=[TURBOTEXT])
    await vendors.play("turbotext", act)
    answer = await product.send(pictures.jpeg(600, 400))
    assert answer.status_code == {"deliver": 200, "blocked": 422}[act], answer.text
    [(path, status, content_type)] = vendors.fetched
    assert (status, content_type) == (200, "image/jpeg")
    for method in ("GET", "HEAD"):
        assert (await product.client.request(method, path)).status_code == 404
    assert not [name for name in await product.stored_files() if name.startswith("input/")]
    token = path.rpartition("/")[2]
    assert len(token) > 50
    assert token not in product_log.getvalue()


async def test_a_link_that_nobody_ended_ends_by_itself(product, clock):
    photo = pictures.jpeg(60, 40)
    async with product.parts.inputs.published() as publish:
        path = "/public/" + (await publish(photo)).partition("/public/")[2]
        head = await product.client.head(path)
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(photo)))
        answer = await product.client.get(path)
        assert (answer.content, answer.headers["cache-control"]) == (photo, "private, no-store")
        assert answer.headers["x-robots-tag"] == "noindex"
        assert (await product.client.get(path.replace("/inputs/", "/store/"))).status_code == 404
        assert (await product.client.get(f"{path}x")).status_code == 404
        clock.advance(minutes=10)
        assert (await product.client.get(path)).status_code == 404
