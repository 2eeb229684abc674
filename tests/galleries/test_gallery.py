"""The gallery as a page and as JSON: what it shows, in which order, to whom it looks how."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

from sqlalchemy import select

from photochanger.features.galleries.models import Album
from tests.support.product import Product
from tests.support.results import code_of, send

ADDRESS = "/public/slots/slot-001"


class Page(HTMLParser):
    """The start tags of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


async def document(product: Product, path: str = ADDRESS):
    answer = await product.client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def shown(product: Product, path: str = ADDRESS) -> list[str]:
    return [item["job_id"] for item in (await document(product, path))["items"]]


async def html(product: Product, path: str = ADDRESS) -> tuple[str, Page]:
    answer = await product.client.get(path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text, Page(answer.text)


async def send_in_turn(product: Product, count: int, **options: Any) -> list[str]:
    sent = []
    for seed in range(count):
        sent.append((await send(product, seed, **options)).job_id)
        product.clock.advance(seconds=1)
    return sent


async def test_a_photo_in_the_gallery_leads_to_its_forms(product: Product):
    photo = await send(product)
    found = await document(product)
    slot = (await product.client.get("/api/slots/slot-001", headers=product.admin)).json()
    assert (found["slot_id"], found["title"], found["next_page"]) == ("slot-001", slot["name"], None)
    [item] = found["items"]
    assert set(item) == {"job_id", "url", "thumb_url", "screen_url", "width", "height", "created_at", "expires_at"}
    assert (item["width"], item["height"]) == (64, 48)
    assert (item["created_at"], item["expires_at"]) == ("2026-11-21T08:30:00Z", "2026-11-24T08:30:00Z")
    assert item["url"] == f"http://localhost:8000{photo.path}"
    for name in ("url", "thumb_url", "screen_url"):
        assert (await product.client.get(item[name])).status_code == 200
    assert photo.token not in str(found)


async def test_accept_chooses_between_json_and_page(product: Product):
    for accept, kind in (("", "application/json"), ("*/*", "application/json"), ("text/html", "text/html")):
        answer = await product.client.get(ADDRESS, headers={"Accept": accept})
        assert answer.headers["content-type"].startswith(kind)
        assert "Accept" in answer.headers["vary"]
        assert answer.headers["x-robots-tag"] == "noindex"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "private, no-cache"


async def test_pages_show_every_photo_once_newest_first_and_work_without_scripts(product: Product):
    await product.change_slot(gallery={"page_size": 2})
    sent = await send_in_turn(product, 5)
    found, seen, path = [], [], ADDRESS
    for _ in range(3):
        text, page = await html(product, path)
        assert "<script" not in text
        seen.append(path)
        found += [str(link["href"]).rpartition("/")[2] for link in page.all("a") if "rel" not in link]
        following = [str(link["href"]) for link in page.all("a") if link.get("rel") == "next"]
        path = following[0] if following else ""
    assert path == ""
    assert found == sent[::-1]
    _, last = await html(product, seen[-1])
    [previous] = [link["href"] for link in last.all("a") if link.get("rel") == "prev"]
    assert previous == seen[1]


async def test_json_pages_say_whether_another_follows(product: Product):
    await product.change_slot(gallery={"page_size": 2})
    sent = await send_in_turn(product, 4)
    first, second = await document(product), await document(product, f"{ADDRESS}?page=2")
    assert (first["next_page"], second["next_page"]) == (2, None)
    assert [item["job_id"] for item in first["items"] + second["items"]] == sent[::-1]
    assert await shown(product, f"{ADDRESS}?page=3") == []


async def test_wrong_pages_are_refused(product: Product):
    for page in ("0", "-1", "x", "", "1.5", "99999999999999999999"):
        assert code_of(await product.client.get(f"{ADDRESS}?page={page}")) == (422, "validation-failed")


async def test_titles_are_escaped(product: Product):
    await product.change_slot(gallery={"title": '<script>alert(1)</script> & "co"'})
    text, page = await html(product)
    assert "<script" not in text
    assert page.all("script") == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#34;co&#34;" in text
    assert (await document(product))["title"] == '<script>alert(1)</script> & "co"'


async def test_a_photo_keeps_its_place_while_it_loads_and_says_how_long_it_stays(product: Product):
    await send(product)
    text, page = await html(product)
    [image] = page.all("img")
    assert (image["width"], image["height"], image["loading"]) == ("64", "48", "lazy")
    assert image["alt"]
    assert re.search(r"<time [^>]*>3 days left</time>", text)
    product.clock.advance(days=1, seconds=1)
    text, page = await html(product)
    assert re.search(r"<time [^>]*>[12] days? left</time>", text)
    [left] = [time for time in page.all("time") if str(time["datetime"]).startswith("2026-11-24T08:30:00")]
    assert "24" in str(left["title"])
    assert "08:30" in str(left["title"])


async def test_an_empty_gallery_says_so(product: Product):
    text, page = await html(product)
    assert "No photos here yet" in text
    assert page.all("img") == []
    assert await shown(product) == []


async def test_a_gallery_that_is_not_there_is_a_page_for_browsers(product: Product):
    for slot in ("slot-099", "SLOT-001", "x", "%00", "..%2Fslot-001"):
        answer = await product.client.get(f"/public/slots/{slot}")
        assert code_of(answer)[0] == 404, slot
        answer = await product.client.get(f"/public/slots/{slot}", headers={"Accept": "text/html"})
        assert answer.status_code == 404
        assert "<h1>" in answer.text


async def test_a_gallery_shows_only_its_own_slot(product: Product):
    await product.change_slot("slot-002", password="another one")
    await send(product)
    other = await send(product, slot="slot-002", password="another one")
    assert await shown(product, "/public/slots/slot-002") == [other.job_id]


async def test_several_slots_share_one_gallery_with_its_access(product: Product):
    await product.change_slot("slot-002", password="another one", gallery={"of": "slot-001"})
    await product.change_slot("slot-003", password="another one", gallery={"of": "slot-002", "access": "off"})
    sent = [await send(product)]
    for slot in ("slot-002", "slot-003"):
        product.clock.advance(seconds=1)
        sent.append(await send(product, slot=slot, password="another one"))
    expected = [photo.job_id for photo in sent][::-1]
    for slot in ("slot-001", "slot-002", "slot-003"):
        assert await shown(product, f"/public/slots/{slot}") == expected
    await product.change_slot(gallery={"access": "off"})
    for slot in ("slot-001", "slot-002", "slot-003"):
        assert code_of(await product.client.get(f"/public/slots/{slot}")) == (404, "gallery-not-found")
    assert {code_of(await product.client.get(photo.path)) for photo in sent} == {(404, "result-not-found")}


async def test_a_new_event_hides_what_was_before_it_but_not_its_links(product: Product):
    before = await send(product, 1)
    product.clock.advance(seconds=10)
    await product.change_slot(gallery={"since": product.clock.now().isoformat()})
    after = await send(product, 2)
    assert await shown(product) == [after.job_id]
    assert (await product.client.get(before.path)).status_code == 200
    assert (await product.client.get(before.own_path)).status_code == 200


async def test_a_gallery_that_has_ended_shows_nothing_more(product: Product):
    end = product.clock.now() + timedelta(seconds=10)
    await product.change_slot(gallery={"ends_at": end.isoformat(), "page_size": 1})
    photo = await send(product, 1)
    await send(product, 2)
    product.clock.advance(seconds=9)
    assert len(await shown(product)) == 1
    product.clock.advance(seconds=1)
    assert await document(product) == await document(product) | {"items": [], "next_page": None}
    assert (await product.client.get(photo.own_path)).status_code == 200


async def test_an_album_shows_its_photos_in_the_order_they_came(product: Product):
    first = await send_in_turn(product, 3, fields={"album": "Anna & Ben <3"})
    await send(product, 9)
    async with product.parts.database.read() as session:
        [album_id] = [str(album) for album in await session.scalars(select(Album.id))]
    path = f"/public/albums/{album_id}"
    found = await document(product, path)
    assert (found["album_id"], found["slot_id"]) == (album_id, "slot-001")
    assert [item["job_id"] for item in found["items"]] == first
    text, _ = await html(product, path)
    assert "Anna &amp; Ben &lt;3" in text
    await product.client.post(f"/api/jobs/{first[1]}/hide", headers=product.admin)
    assert await shown(product, path) == [first[0], first[2]]
    product.clock.advance(hours=72)
    assert code_of(await product.client.get(path)) == (404, "gallery-not-found")
    for unknown in (album_id.upper(), "x", first[0]):
        assert code_of(await product.client.get(f"/public/albums/{unknown}")) == (404, "gallery-not-found")


async def test_an_album_is_as_closed_as_its_gallery(product: Product):
    await send(product, fields={"album": "table 5"})
    async with product.parts.database.read() as session:
        [album_id] = [str(album) for album in await session.scalars(select(Album.id))]
    await product.change_slot(gallery={"access": "off"})
    assert code_of(await product.client.get(f"/public/albums/{album_id}")) == (404, "gallery-not-found")
    await product.change_slot(gallery={"access": "pin", "pin": "4711"})
    assert code_of(await product.client.get(f"/public/albums/{album_id}")) == (401, "pin-required")
    page = await product.client.get(f"/public/albums/{album_id}", headers={"Accept": "text/html"})
    assert page.status_code == 401
    assert Page(page.text).all("form")[0]["action"] == "/public/slots/slot-001/pin"
