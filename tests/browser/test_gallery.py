"""The gallery as a visitor sees it: real Chromium, both themes, on a desk and on a phone."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.support import pictures
from tests.support.server import Server, running_server

pytestmark = pytest.mark.browser

PASSWORD = "slot pass-wörd 1"
PHOTOS = 12
SIZES = [(1280, 800), (390, 844)]


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """`slot-001` with more photos than a page holds, upright and lying ones; `slot-002` with none."""
    async with running_server(tmp_path_factory.mktemp("gallery")) as server:
        await server.run("slots", "set-password", "slot-001", "--password-stdin", stdin=PASSWORD.encode())
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            for seed in range(PHOTOS):
                photo = pictures.jpeg(*((600, 400), (300, 450))[seed % 2], seed=seed)
                answer = await client.post(
                    "/api/ingest/slot-001", data={"password": PASSWORD}, files={"fileToUpload": photo}
                )
                assert answer.status_code == 200, answer.text
        yield server


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        await browser.close()


@pytest.fixture
async def complaints() -> list[str]:
    return []


async def visit(browser: Browser, url: str, complaints: list[str], *, size=(1280, 800), scheme="light", **more) -> Page:
    """A page whose console errors, failed requests and foreign requests are complaints."""
    page = await browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, **more)
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    origin = url.partition("/public/")[0]
    page.on("request", lambda request: None if request.url.startswith(origin) else complaints.append(request.url))
    await page.goto(url, wait_until="networkidle")
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES, ids=["desk", "phone"])
async def test_every_photo_of_the_page_shows(server, browser, complaints, size, scheme, tmp_path: Path):
    page = await visit(browser, f"{server.url}/public/slots/slot-001", complaints, size=size, scheme=scheme)
    images = page.locator(".photos img")
    assert await images.count() == 10
    for image in await images.all():
        await image.scroll_into_view_if_needed()
        await image.evaluate("image => image.decode()")
        shown = await image.evaluate("image => [image.naturalWidth, image.naturalHeight, image.clientWidth]")
        assert max(shown[:2]) <= 400
        assert 0 < shown[2] <= size[0]
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert complaints == []
    await page.screenshot(path=tmp_path / "gallery.png")
    await page.close()


async def test_the_theme_follows_the_visitor(server, browser, complaints):
    grounds = []
    for scheme in ("light", "dark"):
        page = await visit(browser, f"{server.url}/public/slots/slot-001", complaints, scheme=scheme)
        grounds.append(await page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
        await page.close()
    assert grounds[0] != grounds[1]


async def test_each_photo_says_how_long_it_stays_and_when_exactly_it_goes(server, browser, complaints):
    page = await visit(browser, f"{server.url}/public/slots/slot-001", complaints)
    time = page.locator(".photos time").first
    assert await time.text_content() == "2 days left"
    assert (await time.get_attribute("title") or "").endswith("UTC")
    await page.close()


async def test_paging_works_without_javascript(server, browser, complaints):
    page = await visit(browser, f"{server.url}/public/slots/slot-001", complaints, java_script_enabled=False)
    first = await page.locator(".photos img").first.get_attribute("src")
    await page.get_by_role("link", name="Next").click()
    assert await page.locator(".photos img").count() == PHOTOS - 10
    await page.get_by_role("link", name="Previous").click()
    assert await page.locator(".photos img").first.get_attribute("src") == first
    assert complaints == []
    await page.close()


async def test_a_photo_opens_at_its_own_address(server, browser, complaints):
    page = await visit(browser, f"{server.url}/public/slots/slot-001", complaints)
    await page.locator(".photos a").first.click()
    await page.wait_for_url("**/public/results/*")
    assert await page.locator("img").count() == 1
    await page.close()


async def test_an_empty_gallery_says_what_to_do(server, browser, complaints):
    page = await visit(browser, f"{server.url}/public/slots/slot-002", complaints)
    assert await page.get_by_text("No photos here yet").is_visible()
    assert complaints == []
    await page.close()


async def test_an_unknown_gallery_is_a_page_not_a_document(server, browser, complaints):
    page = await visit(browser, f"{server.url}/public/slots/slot-999", complaints)
    assert await page.get_by_role("heading", name="No such gallery").is_visible()
    await page.close()
