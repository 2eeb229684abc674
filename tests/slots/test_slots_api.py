"""`/api/slots`: reading, changing whole and in part, and what is refused."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from photochanger.features.slots.models import SlotVersion
from tests.support.audit import entries
from tests.support.pictures import jpeg
from tests.support.product import ADMIN_PASSWORD, Product, running_product
from tests.support.results import code_of, send

SLOT = "/api/slots/slot-001"
UNKNOWN_ID = "01939e2b-0000-7000-8000-000000000001"
STEP = {"provider": "darkroom", "operation": "sepia"}
RECIPE = {"provider": "darkroom", "operation": "recipe"}


async def read(product: Product, path: str = SLOT) -> dict[str, Any]:
    answer = await product.client.get(path, headers=product.admin)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def put(product: Product, body: object, path: str = SLOT) -> httpx.Response:
    return await product.client.put(path, json=body, headers=product.admin)


async def change(product: Product, **members: object) -> httpx.Response:
    return await put(product, {"version": (await read(product))["version"], **members})


async def create(product: Product, body: object) -> httpx.Response:
    return await product.client.post("/api/slots", json=body, headers=product.admin)


def fields(answer: httpx.Response) -> list[str]:
    assert code_of(answer) == (422, "validation-failed"), answer.text
    return sorted(error["field"] for error in answer.json()["errors"])


def holds(found: Any, sent: Any) -> bool:
    """Whether `found` is `sent`, with defaults where that says nothing."""
    if isinstance(sent, dict):
        return all(holds(found[name], value) for name, value in sent.items())
    if isinstance(sent, list):
        return all(holds(one, other) for one, other in zip(found, sent, strict=True))
    return bool(found == sent)


async def test_the_slots_are_listed_in_order_and_in_pages(product: Product):
    first = await read(product, "/api/slots?limit=10")
    second = await read(product, f"/api/slots?limit=10&cursor={first['next_cursor']}")
    found = [slot["slot_id"] for slot in first["items"] + second["items"]]
    assert found == [f"slot-{number:03}" for number in range(1, 16)]
    assert second["next_cursor"] is None
    assert first["items"][0] == await read(product)


async def test_a_slots_document_has_the_members_of_the_contract(product: Product):
    slot = await read(product)
    assert set(slot) == {
        "slot_id", "name", "enabled", "version", "updated_at", "updated_by", "has_password", "chain", "variables",
        "template_media", "styles", "keep_shape", "response_dialect", "failure_policy", "late_delivery",
        "sync_response_seconds", "result_ttl_hours", "source_ttl_hours", "upload_limit_mb", "max_concurrency",
        "max_per_minute", "duplicate_window_seconds", "gallery", "budget",
    }  # fmt: skip
    assert set(slot["gallery"]) == {"access", "title", "page_size", "approve_first", "ends_at", "of", "since", "url"}
    assert set(slot["budget"]) == {"daily_micros", "monthly_micros", "action"}
    assert set(slot["chain"][0]) == {"provider", "operation", "model", "prompt", "settings", "timeout_ms"}
    assert (slot["has_password"], slot["updated_by"]) == (True, "command line")


async def test_a_document_may_be_sent_back_whole(product: Product):
    await change(product, gallery={"title": "Party", "since": "2026-11-21T11:00:00+03:00"}, budget={"daily_micros": 5})
    before = await read(product)
    product.clock.advance(seconds=5)
    answer = await put(product, before)
    assert answer.status_code == 200
    expected = before | {"version": before["version"] + 1, "updated_by": "boss", "updated_at": "2026-11-21T08:30:05Z"}
    assert answer.json() == expected == await read(product)
    assert expected["gallery"]["since"] == "2026-11-21T08:00:00Z"


async def test_read_only_members_are_ignored(product: Product):
    before = await read(product)
    answer = await put(product, before | {"slot_id": "slot-009", "has_password": False, "updated_by": 7,
                                          "gallery": {"url": "http://elsewhere"}})  # fmt: skip
    slot = answer.json()
    assert (slot["slot_id"], slot["has_password"], slot["updated_by"]) == ("slot-001", True, "boss")
    assert slot["gallery"] == before["gallery"]


@pytest.mark.parametrize(
    "members",
    [
        {"name": "Großer Saal"},
        {"enabled": False},
        {"keep_shape": False},
        {"chain": [STEP | {"settings": {"strength": 0.5}}, {"provider": "darkroom", "operation": "original"}]},
        {"styles": [{"name": "comic", "chain": [STEP]}]},
        {"variables": [{"name": "survey1", "default": "x"}]},
        {"result_ttl_hours": 1, "source_ttl_hours": 0, "upload_limit_mb": 2048, "sync_response_seconds": 60},
        {"late_delivery": True, "failure_policy": "original", "response_dialect": "json"},
        {"gallery": {"title": "Party"}},
        {"gallery": {"ends_at": "2026-11-22T00:00:00Z", "page_size": 100}},
        {"budget": {"monthly_micros": 10}},
    ],
    ids="-".join,
)
async def test_a_member_left_out_keeps_its_value(shared_product, members):
    before = await read(shared_product)
    answer = await put(shared_product, {"version": before["version"], **members})
    assert answer.status_code == 200, answer.text
    after = answer.json()
    for name in before.keys() - members.keys() - {"version", "updated_at", "updated_by"}:
        assert after[name] == before[name]
    for name, sent in members.items():
        assert holds(after[name], sent)
        assert after[name] == (before[name] | sent if isinstance(sent, dict) else after[name])


@pytest.fixture(scope="module")
async def shared_product(tmp_path_factory, shared_imaging):
    """For what is refused and changes nothing, and for changes that leave the slot usable."""
    async with running_product(tmp_path_factory.mktemp("slots") / "data", shared_imaging) as product:
        yield product


async def test_every_wrong_member_is_told_at_once(shared_product):
    answer = await change(
        shared_product,
        name="  ",
        enabled="yes",
        password="abc",
        sync_response_seconds=9,
        result_ttl_hours=721,
        max_concurrency=0,
        max_per_minute=0,
        upload_limit_mb=1.5,
        failure_policy="ignore",
        unheard_of=1,
        gallery={"access": "closed", "page_size": 0, "pin": "12", "colour": "red", "since": "2026-11-21T08:30:00"},
        budget={"daily_micros": -1, "action": "panic"},
        variables=[{"name": "1x"}, {"name": "ok"}, {"name": "ok"}],
    )  # fmt: skip
    assert fields(answer) == sorted([
        "name", "enabled", "password", "sync_response_seconds", "result_ttl_hours", "max_concurrency",
        "max_per_minute", "upload_limit_mb", "failure_policy", "unheard_of", "gallery.access", "gallery.page_size",
        "gallery.pin", "gallery.colour", "gallery.since", "budget.daily_micros", "budget.action", "variables.0.name",
    ])  # fmt: skip
    assert "abc" not in answer.text


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"chain": []}, ["chain"]),
        ({"chain": [STEP] * 6}, ["chain"]),
        ({"chain": None}, ["chain"]),
        ({"chain": [{"provider": "gemeni", "operation": "edit"}]}, ["chain.0.provider"]),
        ({"chain": [STEP, {"provider": "darkroom", "operation": "edit"}]}, ["chain.1.operation"]),
        ({"chain": [STEP | {"settings": {"strength": 2, "grain": 1}}]},
         ["chain.0.settings.grain", "chain.0.settings.strength"]),
        ({"chain": [STEP | {"settings": []}]}, ["chain.0.settings"]),
        ({"chain": [STEP | {"timeout_ms": 99, "model": "", "prompt": 1}]},
         ["chain.0.model", "chain.0.prompt", "chain.0.timeout_ms"]),
        ({"chain": [{"provider": "darkroom"}, STEP | {"x": 1}]}, ["chain.0.operation", "chain.1.x"]),
        ({"chain": [RECIPE | {"settings": {"steps": [{"operation": "sepia", "strength": 5}]}}]},
         ["chain.0.settings.steps.0.strength"]),
        ({"chain": [RECIPE | {"settings": {"steps": [{"operation": "recipe"}]}}]},
         ["chain.0.settings.steps.0.operation"]),
        ({"chain": [RECIPE]}, ["chain.0.settings.steps"]),
        ({"styles": [{"name": "a", "chain": [{"provider": "x", "operation": "y"}]}]}, ["styles.0.chain.0.provider"]),
        ({"styles": [{"name": "a", "chain": [STEP]}, {"name": "a", "chain": [STEP]}]}, ["styles.1.name"]),
        ({"styles": [{"name": "a b", "chain": [STEP]}]}, ["styles.0.name"]),
        ({"variables": [{"name": "a"}, {"name": "a"}]}, ["variables.1.name"]),
        ({"template_media": [{"role": "frame", "media_id": UNKNOWN_ID}]}, ["template_media.0.media_id"]),
        ({"template_media": [{"role": "frame", "media_id": "../x"}]}, ["template_media.0.media_id"]),
        ({"template_media": None}, ["template_media"]),
        ({"gallery": {"of": "slot-001"}}, ["gallery.of"]),
        ({"gallery": {"of": "slot-099"}}, ["gallery.of"]),
        ({"gallery": {"of": "x"}}, ["gallery.of"]),
        ({"gallery": {"access": "pin"}}, ["gallery.pin"]),
        ({"gallery": {"ends_at": "9999-12-31T23:59:59-23:59"}}, ["gallery.ends_at"]),
        ({"gallery": []}, ["gallery"]),
        ({"gallery": None}, ["gallery"]),
        ({"budget": 5}, ["budget"]),
        ({"password": "x" * 1025}, ["password"]),
        ({"password": "é" * 600}, ["password"]),
        ({"password": 1234}, ["password"]),
        ({"gallery": {"pin": "٤٧١١"}}, ["gallery.pin"]),
        ({"gallery": {"pin": "4711\n"}}, ["gallery.pin"]),
        ({"gallery": {"pin": 4711}}, ["gallery.pin"]),
        ({"name": "x" * 101}, ["name"]),
        ({"version": "1"}, ["version"]),
        ({"version": None}, ["version"]),
        ({"version": 1.0}, ["version"]),
        ({"version": True}, ["version"]),
    ],
)  # fmt: skip
async def test_a_wrong_value_is_told_with_its_path(shared_product, members, expected):
    assert fields(await change(shared_product, **members)) == expected


async def test_a_body_that_is_no_object_or_lacks_its_version_is_refused(shared_product):
    bodies: list[object] = [[], "x", 5]
    for body in bodies:
        assert fields(await put(shared_product, body)) == ["body"]
    assert fields(await put(shared_product, {"name": "x"})) == ["version"]
    assert (await put(shared_product, {"version": 1}, "/api/slots/slot-099")).status_code == 404
    assert (await shared_product.client.get("/api/slots/SLOT-001", headers=shared_product.admin)).status_code == 404


async def test_a_stale_version_is_refused_and_names_who_changed_it(product: Product):
    version = (await read(product))["version"]
    assert (await put(product, {"version": version, "name": "mine"})).status_code == 200
    for stale in (version, version - 1, version + 5, 0, -1, 2**63 - 1, -(2**63)):
        answer = await put(product, {"version": stale, "name": "theirs"})
        assert code_of(answer) == (409, "stale-version")
        assert "boss" in answer.json()["detail"]
        assert answer.json()["version"] == version + 1
    assert (await read(product))["name"] == "mine"
    assert len(await entries(product.parts.database, action="slot.conflicted")) == 7


async def test_of_two_changes_at_once_one_wins(product: Product):
    version = (await read(product))["version"]
    answers = await asyncio.gather(*(put(product, {"version": version, "name": f"n{n}"}) for n in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    [winner] = [answer.json()["name"] for answer in answers if answer.status_code == 200]
    assert (await read(product))["name"] == winner


async def test_every_version_is_kept_with_who_made_it(product: Product):
    await change(product, name="second", chain=[STEP])
    await change(product, enabled=False)
    async with product.parts.database.read() as session:
        found = await session.scalars(select(SlotVersion).where(SlotVersion.slot_id == "slot-001"))
        rows = {row.version: row for row in found}
    current = (await read(product))["version"]
    assert list(rows) == list(range(min(rows), current + 1))
    assert [rows[current - back].changed_by for back in range(3)] == ["boss", "boss", "command line"]
    assert (rows[current].enabled, rows[current - 1].enabled, rows[current].name) == (False, True, "second")
    assert rows[current - 1].config["chain"][0]["operation"] == "sepia"
    assert rows[current - 2].config["chain"] != rows[current].config["chain"]


async def test_secrets_are_written_and_never_read(product: Product):
    answer = await change(product, password="geheim-4711", gallery={"access": "pin", "pin": "081542"})
    assert answer.status_code == 200
    told = [answer.text, json.dumps(await read(product)), json.dumps(await read(product, "/api/slots"))]
    told.append(str(await entries(product.parts.database)))
    for secret in ("geheim", "081542", "argon2", "hash", "link_token", ADMIN_PASSWORD):
        assert not [text for text in told if secret in text], secret
    assert '"pin":' not in told[0]
    assert '"password":' not in told[0]


async def test_a_changed_password_refuses_the_old_one_at_once(product: Product):
    await send(product, 1)  # the old one is remembered now
    await change(product, password="a new one")
    assert code_of(await product.send(jpeg(64, 48, seed=2))) == (401, "slot-credentials-invalid")
    assert (await product.send(jpeg(64, 48, seed=2), password="a new one")).status_code == 200
    await change(product, password=None)
    assert (await read(product))["has_password"] is False
    assert code_of(await product.send(jpeg(64, 48, seed=3), password="a new one")) == (401, "slot-credentials-invalid")


async def test_a_password_keeps_every_byte(product: Product):
    for password in ("    ", "пароль", "a" * 1024, " x  y\t"):
        assert (await change(product, password=password)).status_code == 200
        assert (await product.send(jpeg(64, 48), password=password)).status_code == 200
        assert (await product.send(jpeg(64, 48), password=password.strip() + "x")).status_code == 401


async def test_loops_of_shared_galleries_are_refused(product: Product):
    for slot, of in (("slot-001", "slot-002"), ("slot-002", "slot-003")):
        await product.change_slot(slot, gallery={"of": of})
    version = (await read(product, "/api/slots/slot-003"))["version"]
    answer = await put(product, {"version": version, "gallery": {"of": "slot-001"}}, "/api/slots/slot-003")
    assert fields(answer) == ["gallery.of"]


async def test_two_changes_at_once_make_no_loop(product: Product):
    async def share(slot: str, of: str) -> int:
        version = (await read(product, f"/api/slots/{slot}"))["version"]
        answer = await put(product, {"version": version, "gallery": {"of": of}}, f"/api/slots/{slot}")
        return answer.status_code

    pairs = [("slot-001", "slot-002"), ("slot-002", "slot-003"), ("slot-003", "slot-001")]
    assert sorted(await asyncio.gather(*(share(*pair) for pair in pairs))) == [200, 200, 422]
    async with asyncio.timeout(5):
        assert (await product.client.get("/public/slots/slot-001")).status_code == 200


async def test_no_more_slots_than_the_settings_allow(product: Product):
    answer = await create(product, {"name": "One more"})
    assert code_of(answer) == (409, "slot-limit-reached")
    await product.change_settings(max_slots=17)
    made = await create(product, {"name": "One more", "password": "1234"})
    assert made.status_code == 201
    slot = made.json()
    assert (slot["slot_id"], slot["name"], slot["version"], slot["has_password"]) == ("slot-016", "One more", 1, True)
    assert slot == await read(product, "/api/slots/slot-016")
    assert (await product.send(jpeg(64, 48), slot="slot-016", password="1234")).status_code == 200
    assert code_of(await create(product, {"slot_id": "slot-001"})) == (409, "slot-exists")
    assert (await create(product, slot | {"slot_id": "slot-400"})).json()["slot_id"] == "slot-400"
    assert code_of(await create(product, {})) == (409, "slot-limit-reached")


async def test_a_version_means_nothing_to_a_new_slot(product: Product):
    await product.change_settings(max_slots=100)
    versions: list[object] = [7, "abc", None, [], 2**63 - 1]
    for version in versions:
        answer = await create(product, {"version": version})
        assert (answer.status_code, answer.json()["version"]) == (201, 1)


async def test_a_new_slot_is_checked_like_an_old_one(shared_product):
    body = {"slot_id": "slot-1", "chain": [], "gallery": {"access": "pin"}, "x": 1}
    assert fields(await create(shared_product, body)) == ["chain", "gallery.pin", "slot_id", "x"]
    of_itself = {"slot_id": "slot-077", "gallery": {"of": "slot-077"}}
    assert fields(await create(shared_product, of_itself)) == ["gallery.of"]
