"""What every cloud driver does when its vendor does this or that: over real sockets, against the stand-ins."""

import asyncio
import tracemalloc
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from yarl import URL

from photochanger.adapters.providers import driver as kinds
from photochanger.adapters.providers.http import VendorHttp
from photochanger.core.limits import MIB, PIXELS
from photochanger.features.prices.models import Price
from photochanger.features.prices.service import PriceBook
from tests.support.cloud import KEY, NAMES, PHOTO, PROMPT, cloud_driver
from tests.support.imaging import opened
from tests.support.server import until

SHORT_SECONDS = 0.5
CANCELLED_AFTER = (1.0, 0.005, 0.0, *(0.01 * number for number in range(1, 10)))
"""Seconds: in the middle of answers first, then at every moment before."""
OUTCOMES: dict[str, type[kinds.ProviderError]] = {
    "text_only": kinds.NoImage,
    "no_image": kinds.NoImage,
    "blocked": kinds.Rejected,
    "rate_limited": kinds.RateLimited,
    "server_error": kinds.Unavailable,
    "wrong_key": kinds.BadConfiguration,
    "retired_model": kinds.BadConfiguration,
    "echo": kinds.BadConfiguration,
    "queue": kinds.TimedOut,
    "hang": kinds.TimedOut,
    "drip": kinds.TimedOut,
    "reset": kinds.Interrupted,
    "cut": kinds.BadAnswer,
    "endless": kinds.BadAnswer,
    "gzip_bomb": kinds.BadAnswer,
    "redirect": kinds.BadConfiguration,
    "truncated": kinds.BadAnswer,
    "not_an_image": kinds.BadAnswer,
    "megapixels": kinds.BadAnswer,
}
OTHERWISE: dict[tuple[str, str], type[kinds.ProviderError]] = {
    ("turbotext", "echo"): kinds.BadAnswer,
    ("turbotext", "redirect"): kinds.BadAnswer,  # of the result's link, not of the address that was configured
    ("turbotext", "reset"): kinds.TimedOut,  # the picture is made: it is asked for until time is up
}
NOW = datetime(2026, 11, 21, tzinfo=UTC)
GEMINI = Price(provider="gemini", model="", unit="image", valid_from=NOW, micros=34_000)


@pytest.fixture(params=NAMES)
async def cloud(request, vendors):
    async with cloud_driver(request.param, vendors) as cloud:
        yield cloud


async def rendered(imaging, image):
    """What the chain does with an answer before it counts as delivered."""
    return await imaging.render(
        image.data, width=600, height=400, has_alpha=False, keep_shape=True, max_pixels=PIXELS, is_clean=False
    )


@pytest.mark.parametrize("act", list(OUTCOMES))
async def test_every_misbehaviour_ends_in_its_outcome(cloud, imaging, product_log, act):
    name = cloud.driver.name
    expected = OTHERWISE.get((name, act), OUTCOMES[act])
    await cloud.vendors.play(name, act)
    with pytest.raises(expected) as caught:
        await rendered(imaging, await cloud.transform(seconds=SHORT_SECONDS if expected is kinds.TimedOut else 60))
    assert type(caught.value) is expected
    said = f"{caught.value}{caught.value!r}{product_log.getvalue()}"
    assert not [word for word in (KEY, PROMPT, "/published/") if word in said]
    assert caught.value.cost_micros == (None if expected in (kinds.TimedOut, kinds.Interrupted, kinds.BadAnswer) else 0)


@pytest.mark.parametrize("act", ["deliver", "thoughts", "flaky"])
async def test_a_picture_is_delivered_with_what_the_vendor_says_of_it(cloud, imaging, act):
    name = cloud.driver.name
    await cloud.vendors.play(name, {"do": act, "delay_ms": 50})
    image = await cloud.transform()
    full = (await rendered(imaging, image)).full
    assert full.width / full.height == pytest.approx(1.5, rel=0.01)
    assert sha256(image.data).hexdigest() != sha256(PHOTO.data).hexdigest()
    assert image.vendor_request_id
    log = await cloud.vendors.log()
    [call] = log["calls"]
    assert call["is_handed_out"]
    assert [picture["sha256"] for picture in call["pictures"]] == [sha256(PHOTO.data).hexdigest()]
    assert call["prompt_sha256"] == sha256(PROMPT.encode()).hexdigest()
    assert image.cost_micros is None  # the price table says it
    if name == "gemini":
        assert image.usage is not None
        assert PriceBook([GEMINI]).cost(name, image.model, image.usage, NOW) == log["billed_micros"] == 34_000
    else:
        assert KEY not in str(log)


@pytest.mark.parametrize(("kind", "media_type"), [("jpeg", "image/jpeg"), ("png", "image/png"), ("webp", "image/webp")])
async def test_a_picture_is_told_by_its_content(cloud, kind, media_type):
    await cloud.vendors.play(cloud.driver.name, {"format": kind, "content_type": "text/html"})
    image = await cloud.transform()
    assert image.media_type == media_type
    assert opened(image.data).format == kind.upper()


@pytest.mark.parametrize("act", ["rate_limited", "server_error"])
@pytest.mark.parametrize("seconds", [None, 17.0, 0.5])
async def test_the_wait_that_the_vendor_asks_for_is_handed_on(cloud, act, seconds):
    await cloud.vendors.play(cloud.driver.name, {"do": act, "retry_after_seconds": seconds})
    with pytest.raises((kinds.RateLimited, kinds.Unavailable)) as caught:
        await cloud.transform()
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("reason", ["IMAGE_SAFETY", "SAFETY", "IMAGE_PROHIBITED_CONTENT", "SPII", "IMAGE_RECITATION"])
async def test_geminis_refusals_are_told_from_its_empty_answers(vendors, reason):
    async with cloud_driver("gemini", vendors) as cloud:
        await vendors.play("gemini", {"do": "blocked", "reason": reason}, {"do": "no_image", "reason": "IMAGE_OTHER"})
        with pytest.raises(kinds.Rejected, match=reason):
            await cloud.transform()
        with pytest.raises(kinds.NoImage, match="IMAGE_OTHER"):
            await cloud.transform()


async def test_without_a_key_nothing_is_called(vendors, cloud):
    async with cloud_driver(cloud.driver.name, vendors, key=None) as keyless:
        assert not keyless.driver.is_configured
        with pytest.raises(kinds.BadConfiguration, match="no key"):
            await keyless.transform()
    assert (await vendors.log())["calls"] == []


async def test_a_probe_looks_without_generating(cloud):
    await cloud.driver.probe()
    for act, failure in (
        ("wrong_key", kinds.BadConfiguration),
        ("server_error", kinds.Unavailable),
        ("hang", kinds.TimedOut),
    ):
        await cloud.vendors.play(cloud.driver.name, probe={"do": act})
        with pytest.raises(failure):
            await cloud.driver.probe()
    assert (await cloud.vendors.log())["calls"] == []


async def test_a_cut_line_is_known_at_once_and_costs_nothing(vendors, cloud, unused_port):
    async with cloud_driver(cloud.driver.name, vendors, base=f"http://127.0.0.1:{unused_port}") as cut:
        with pytest.raises(kinds.Unreachable) as caught:
            await cut.transform()
    assert caught.value.cost_micros == 0


async def test_a_line_cut_while_the_queue_is_asked_ends_the_step_with_an_unknown_cost(vendors, monkeypatch):
    async with cloud_driver("turbotext", vendors) as cloud:
        await vendors.play("turbotext", "queue")
        ask, seen = VendorHttp.ask, []

        async def cut_later(self, *args, **options):
            seen.append(args)
            if len(seen) > 3:
                raise kinds.Unreachable("cut")
            return await ask(self, *args, **options)

        monkeypatch.setattr(VendorHttp, "ask", cut_later)
        with pytest.raises(kinds.Unreachable) as caught:
            await cloud.transform()
    assert caught.value.cost_micros is None


@pytest.mark.parametrize("act", ["endless", "gzip_bomb"])
async def test_memory_stays_bounded_whatever_comes(vendors, act):
    """The stand-in's own blocks, of a mebibyte each, are in the measure too."""
    async with cloud_driver("turbotext", vendors) as cloud:
        await vendors.play("turbotext", act)
        with pytest.raises(kinds.BadAnswer):
            await cloud.transform()
        [call] = (await vendors.log())["calls"]
        link = f"{vendors.url}/turbotext-results/{call['number']}"
        tracemalloc.start()
        try:
            with pytest.raises(kinds.BadAnswer, match="larger than 2 MiB"):
                await cloud.http.ask("GET", URL(link), own_hosts=(), deadline=cloud.http.after(60), max_bytes=2 * MIB)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 32 * MIB


async def test_no_connection_leaks_when_calls_are_cancelled(cloud, pytestconfig):
    """A window cancels calls, and a pool that loses a place each time is empty after an evening."""
    acts = [{"do": "hang"}, {"do": "drip"}, {"do": "queue"}, {"do": "reset"}, {"delay_ms": 30}]
    await cloud.vendors.play(cloud.driver.name, mix=acts, seed=1)
    count = pytestconfig.getoption("cancelled_calls")
    before = cloud.vendors.socket_count
    for begun in range(0, count, 50):
        calls = [asyncio.create_task(cloud.transform()) for _ in range(50)]
        await asyncio.sleep(CANCELLED_AFTER[begun // 50 % len(CANCELLED_AFTER)])
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    await cloud.vendors.play(cloud.driver.name)
    assert all([await cloud.transform() for _ in range(10)])
    kept = 2  # for the next call: both its ends are here
    await until(lambda: cloud.vendors.socket_count <= before + kept, seconds=60)


async def test_what_drivers_say_of_themselves_holds_no_key(cloud):
    vendor = vars(cloud.driver)["_vendor"]
    assert KEY not in f"{cloud.driver!r} {vendor!r} {vendor}"
