"""What a slot's configuration was, and how it comes back."""

from typing import Any

from tests.support.product import Product
from tests.support.results import code_of

SLOT = "/api/slots/slot-001"


async def versions(product: Product, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = (await product.client.get(f"{SLOT}/versions{query}", headers=product.admin)).json()
    return found


async def restore(product: Product, version: int) -> Any:
    return await product.client.post(f"{SLOT}/versions/{version}/restore", headers=product.admin)


async def test_every_version_is_listed_newest_first_and_in_pages(product: Product):
    now = (await product.change_slot(name="One"))["version"]
    await product.change_slot(keep_shape=False, gallery={"title": "Party"})
    first = await versions(product, "?limit=2")
    assert [item["version"] for item in first["items"]] == [now + 1, now]
    assert first["items"][0]["config"]["gallery"]["title"] == "Party"
    assert (first["items"][1]["name"], first["items"][1]["changed_by"]) == ("One", "boss")
    second = await versions(product, f"?cursor={first['next_cursor']}")
    assert [item["version"] for item in second["items"]] == list(range(now - 1, 0, -1))
    assert second["next_cursor"] is None


async def test_a_restored_configuration_is_a_new_version_and_leaves_passwords_and_the_switch(product: Product):
    before = await product.change_slot(name="Before", gallery={"title": "Before", "access": "pin", "pin": "1234"})
    await product.change_slot(name="After", gallery={"title": "After", "access": "open"}, enabled=False)
    after = await product.change_slot(chain=[{"provider": "darkroom", "operation": "sketch"}], variables=[])
    answer = await restore(product, before["version"])
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found == before | {
        "version": after["version"] + 1, "enabled": False, "updated_at": found["updated_at"], "has_password": True
    }  # fmt: skip
    assert (await versions(product))["items"][0]["name"] == "Before"


async def test_what_is_not_there_cannot_be_restored(product: Product):
    assert code_of(await restore(product, 99)) == (404, "version-not-found")
    missing = await product.client.post("/api/slots/slot-999/versions/1/restore", headers=product.admin)
    assert code_of(missing) == (404, "slot-not-found")
    assert code_of(await product.client.get("/api/slots/slot-999/versions", headers=product.admin))[0] == 404
    too_large = await product.client.post(f"{SLOT}/versions/{10**30}/restore", headers=product.admin)
    assert code_of(too_large) == (404, "version-not-found")
