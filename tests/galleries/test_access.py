"""Closed galleries: the page, its JSON and every image, for those who may look and those who may not."""

import asyncio

import httpx
import pytest

from tests.support.audit import entries
from tests.support.product import BASE_URL, Product, running_product
from tests.support.results import VARIANTS, Sent, code_of, send

GALLERY = "/public/slots/slot-001"
PIN = "4711"
BROWSER = {"Accept": "text/html,*/*;q=0.8"}


@pytest.fixture
async def photo(product: Product) -> Sent:
    return await send(product)


async def close(product: Product, access: str, slot: str = "slot-001", **gallery: object) -> dict[str, str]:
    changed = await product.change_slot(slot, gallery={"access": access, **gallery})
    found: dict[str, str] = changed["gallery"]
    return found


async def statuses(product: Product, photo: Sent, query: str = "", **options) -> set[int]:
    paths = [GALLERY, *(photo.path + variant for variant in VARIANTS)]
    return {(await product.client.get(path + query, **options)).status_code for path in paths}


async def give(product: Product, pin: str, slot: str = "slot-001", **options) -> httpx.Response:
    return await product.client.post(f"/public/slots/{slot}/pin", data={"pin": pin}, **options)


def visitor(product: Product, base_url: str = BASE_URL, address: str = "127.0.0.1") -> httpx.AsyncClient:
    """Somebody with cookies of their own."""
    transport = httpx.ASGITransport(product.app, client=(address, 1), raise_app_exceptions=False)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url=base_url)


async def test_of_a_gallery_that_is_off_only_guests_own_links_work(product, photo):
    await close(product, "off")
    assert await statuses(product, photo) == {404}
    assert await statuses(product, photo, headers=BROWSER) == {404}
    assert await statuses(product, photo, "?t=wrong&k=wrong") == {404}
    for variant in VARIANTS:
        answer = await product.client.get(f"{photo.path}{variant}?t={photo.token}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"].startswith("private, ")
    assert code_of(await give(product, PIN)) == (404, "gallery-not-found")


async def test_a_photos_token_opens_that_photo_alone(product, photo):
    other = await send(product, 2)
    await close(product, "off")
    assert (await product.client.get(f"{other.path}?t={photo.token}")).status_code == 404
    assert (await product.client.get(f"{GALLERY}?t={photo.token}")).status_code == 404


async def test_a_secret_link_opens_the_gallery_and_everything_on_it(product, photo):
    gallery = await close(product, "link")
    address = gallery["url"]
    assert address.startswith(f"{BASE_URL}{GALLERY}?k=")
    assert await statuses(product, photo) == {404}
    assert await statuses(product, photo, "?k=wrong") == {404}
    assert await statuses(product, photo, "?k=") == {404}
    key = address.partition("?")[2]
    assert await statuses(product, photo, f"?{key}") == {200}
    [item] = (await product.client.get(address)).json()["items"]
    for name in ("url", "thumb_url", "screen_url"):
        answer = await product.client.get(item[name])
        assert answer.status_code == 200
        assert answer.headers["cache-control"].startswith("private, ")
    assert (await product.client.get(photo.own_path)).status_code == 200
    await product.change_slot(gallery={"page_size": 1})
    product.clock.advance(seconds=1)
    await send(product, 2)
    page = (await product.client.get(address, headers=BROWSER)).text
    [following] = [part.split('"')[1] for part in page.split("<a ") if 'rel="next"' in part]
    assert (await product.client.get(following.replace("&amp;", "&"), headers=BROWSER)).status_code == 200


async def test_a_pin_opens_the_gallery_and_everything_on_it(product, photo):
    await close(product, "pin", pin=PIN)
    assert await statuses(product, photo) == {401}
    assert code_of(await product.client.get(GALLERY)) == (401, "pin-required")
    assert (await product.client.get(photo.own_path)).status_code == 200
    form = await product.client.get(GALLERY, headers=BROWSER)
    assert (form.status_code, form.headers["cache-control"]) == (401, "no-store")
    assert f'action="{GALLERY}/pin"' in form.text
    assert 'role="alert"' not in form.text
    answer = await give(product, PIN)
    assert (answer.status_code, answer.headers["location"]) == (303, GALLERY)
    assert await statuses(product, photo) == {200}
    assert (await product.client.get(photo.path)).headers["cache-control"].startswith("private, ")


async def test_a_wrong_pin_is_told_beside_its_field(product):
    await close(product, "pin", pin=PIN)
    answer = await give(product, "0000", headers=BROWSER)
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "0000" not in answer.text
    assert "set-cookie" not in answer.headers
    assert code_of(await give(product, "0000")) == (401, "pin-required")
    assert code_of(await product.client.post(f"{GALLERY}/pin", data={"other": "x"})) == (401, "pin-required")
    assert (await product.client.post(f"{GALLERY}/pin", json={"pin": PIN})).status_code == 415


@pytest.mark.parametrize(
    ("base_url", "is_secure"), [("http://localhost:8000", False), ("https://photos.example", True)]
)
async def test_the_pins_cookie_is_kept_from_scripts_and_other_sites(tmp_path, shared_imaging, base_url, is_secure):
    environ = {"PUBLIC_BASE_URL": base_url}
    async with running_product(tmp_path / "data", shared_imaging, environ=environ) as product:
        await close(product, "pin", pin=PIN)
        cookie = (await give(product, PIN)).headers["set-cookie"]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/public"} <= attributes
    assert ("secure" in attributes) is is_secure
    assert PIN not in cookie


async def test_a_cookie_is_good_for_its_gallery_and_its_pin_alone(product, photo):
    await close(product, "pin", pin=PIN)
    await close(product, "pin", slot="slot-002", pin=PIN)
    await give(product, PIN, slot="slot-002")
    foreign = product.client.cookies["gallery_slot-002"]
    async with visitor(product) as other:
        for value in (foreign, "", "x", "é"):
            answer = await other.get(GALLERY, headers={b"Cookie": f"gallery_slot-001={value}".encode()})
            assert code_of(answer) == (401, "pin-required")
    await give(product, PIN)
    assert await statuses(product, photo) == {200}
    await close(product, "pin", pin="4712")
    assert await statuses(product, photo) == {401}
    await close(product, "off")
    assert await statuses(product, photo) == {404}


async def test_five_wrong_pins_lock_the_gallery_for_that_address(product):
    await close(product, "pin", pin=PIN)
    for number in range(5):
        assert code_of(await give(product, f"000{number}")) == (401, "pin-required")
    answer = await give(product, PIN)
    assert code_of(answer) == (429, "pin-locked")
    assert 1 <= int(answer.headers["retry-after"]) <= 900
    page = await give(product, PIN, headers=BROWSER)
    assert (page.status_code, 'role="alert"' in page.text) == (429, True)
    await close(product, "pin", slot="slot-002", pin=PIN)
    assert (await give(product, PIN, slot="slot-002")).status_code == 303
    async with visitor(product, address="192.0.2.7") as other:
        assert (await other.post(f"{GALLERY}/pin", data={"pin": PIN})).status_code == 303


async def test_right_pins_are_not_counted(product):
    await close(product, "pin", pin=PIN)
    answers = await asyncio.gather(*(give(product, PIN) for _ in range(12)))
    assert {answer.status_code for answer in answers} == {303}


async def test_many_guesses_at_once_are_no_way_around_the_lock(product):
    await close(product, "pin", pin="0059")
    answers = await asyncio.gather(*(give(product, f"{number:04}") for number in range(60)))
    found = [answer.status_code for answer in answers]
    assert found[59] == 429
    assert found.count(401) <= 5 + 2  # those that were being hashed when the fifth was found wrong


async def test_a_gallery_without_a_pin_takes_none(product):
    assert code_of(await give(product, PIN)) == (404, "gallery-not-found")


async def test_a_shared_gallery_asks_for_its_pin_wherever_it_is_opened(product, photo):
    await close(product, "pin", pin=PIN)
    await product.change_slot("slot-002", gallery={"of": "slot-001"})
    answer = await give(product, PIN, slot="slot-002")
    assert (answer.status_code, answer.headers["location"]) == (303, "/public/slots/slot-002")
    assert (await product.client.get("/public/slots/slot-002")).status_code == 200
    assert await statuses(product, photo) == {200}


async def test_no_pin_and_no_key_gets_into_the_audit_log(product):
    gallery = await close(product, "pin", pin=PIN)
    await give(product, "0815")
    told = str(await entries(product.parts.database))
    assert "gallery.access" in told
    assert "0815" not in told
    assert f"'{PIN}'" not in told
    assert "pin" not in gallery
