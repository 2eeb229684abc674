"""`/api/slots` for administrators."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct

from photochanger.core.paging import Cursors, Page
from photochanger.features.audit.deps import actor_of
from photochanger.features.slots.links import gallery_url
from photochanger.features.slots.models import SlotVersion
from photochanger.features.slots.schemas import (
    ConfiguredSlot,
    GalleryDocument,
    NewSlotInput,
    SlotConfig,
    SlotDocument,
    SlotInput,
    VersionDocument,
)
from photochanger.features.slots.service import SlotService
from photochanger.web.body import read_json
from photochanger.web.hosts import Addresses
from photochanger.web.openapi import documented
from photochanger.web.query import read_query

_CHANGE = ("malformed-json", "login-required", "forbidden", "validation-failed")


class SlotsQuery(Struct, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: str | None = None


class SlotsApi(Controller):
    path = "/api/slots"
    tags = ("slots",)
    opt = {"access": "admin"}  # noqa: RUF012 – the framework's way

    @get(
        operation_id="list_slots",
        summary="The slots in order of their ids",
        operation_class=documented(query=SlotsQuery, problems=("login-required", "forbidden", "validation-failed")),
    )
    async def list_slots(
        self,
        request: Request[Any, Any, Any],
        slots: NamedDependency[SlotService],
        cursors: NamedDependency[Cursors],
        addresses: NamedDependency[Addresses],
    ) -> Page[SlotDocument]:
        query = read_query(request, SlotsQuery)
        after = cursors.decode("slots", query.cursor) or ""
        found = await slots.list_page(after=after, limit=query.limit + 1)
        shown = found[: query.limit]
        following = cursors.encode("slots", shown[-1].slot_id) if len(found) > query.limit else None
        base = addresses.base_url(request.scope)
        return Page([slot_document(slot, base) for slot in shown], following)

    @post(
        operation_id="create_slot",
        summary="Make a slot; without slot_id the next free one is taken",
        operation_class=documented(body=NewSlotInput, problems=(*_CHANGE, "slot-limit-reached", "slot-exists")),
    )
    async def create(
        self,
        request: Request[Any, Any, Any],
        slots: NamedDependency[SlotService],
        addresses: NamedDependency[Addresses],
    ) -> SlotDocument:
        slot = await slots.create(await read_json(request), actor_of(request))
        return slot_document(slot, addresses.base_url(request.scope))

    @get(
        "/{slot_id:str}",
        operation_id="get_slot",
        summary="One slot",
        operation_class=documented(problems=("login-required", "forbidden", "slot-not-found")),
    )
    async def show(
        self,
        request: Request[Any, Any, Any],
        slot_id: FromPath[str],
        slots: NamedDependency[SlotService],
        addresses: NamedDependency[Addresses],
    ) -> SlotDocument:
        return slot_document(await slots.get(slot_id), addresses.base_url(request.scope))

    @put(
        "/{slot_id:str}",
        operation_id="change_slot",
        summary="Change a slot; a member left out keeps its value",
        operation_class=documented(body=SlotInput, problems=(*_CHANGE, "slot-not-found", "stale-version")),
    )
    async def change(
        self,
        request: Request[Any, Any, Any],
        slot_id: FromPath[str],
        slots: NamedDependency[SlotService],
        addresses: NamedDependency[Addresses],
    ) -> SlotDocument:
        slot = await slots.change(slot_id, await read_json(request), actor_of(request))
        return slot_document(slot, addresses.base_url(request.scope))

    @get(
        "/{slot_id:str}/versions",
        operation_id="list_slot_versions",
        summary="What the slot's configuration was, newest first",
        operation_class=documented(
            query=SlotsQuery, problems=("login-required", "forbidden", "slot-not-found", "validation-failed")
        ),
    )
    async def list_versions(
        self,
        request: Request[Any, Any, Any],
        slot_id: FromPath[str],
        slots: NamedDependency[SlotService],
        cursors: NamedDependency[Cursors],
    ) -> Page[VersionDocument]:
        query = read_query(request, SlotsQuery)
        listing = f"versions of {slot_id}"
        before = cursors.decode(listing, query.cursor)
        found = await slots.list_versions(slot_id, before=int(before) if before else None, limit=query.limit + 1)
        shown = found[: query.limit]
        following = cursors.encode(listing, str(shown[-1].version)) if len(found) > query.limit else None
        return Page([version_document(version) for version in shown], following)

    @post(
        "/{slot_id:str}/versions/{version:int}/restore",
        operation_id="restore_slot_version",
        summary="Give the slot a configuration it had, as a new version",
        status_code=200,
        operation_class=documented(
            problems=(
                *("login-required", "forbidden", "validation-failed"),
                *("slot-not-found", "version-not-found", "stale-version"),
            )
        ),
    )
    async def restore(
        self,
        request: Request[Any, Any, Any],
        slot_id: FromPath[str],
        version: FromPath[int],
        slots: NamedDependency[SlotService],
        addresses: NamedDependency[Addresses],
    ) -> SlotDocument:
        slot = await slots.restore(slot_id, version, actor_of(request))
        return slot_document(slot, addresses.base_url(request.scope))


def version_document(version: SlotVersion) -> VersionDocument:
    return VersionDocument(
        version=version.version,
        name=version.name,
        config=msgspec.convert(version.config, SlotConfig),
        changed_at=version.changed_at,
        changed_by=version.changed_by,
    )


def slot_document(slot: ConfiguredSlot, base: str) -> SlotDocument:
    config = {name: getattr(slot.config, name) for name in slot.config.__struct_fields__}
    gallery = msgspec.structs.asdict(slot.config.gallery)
    return SlotDocument(
        **config | {"gallery": GalleryDocument(**gallery, url=gallery_url(base, slot))},
        slot_id=slot.slot_id,
        name=slot.name,
        enabled=slot.enabled,
        version=slot.version,
        updated_at=slot.updated_at,
        updated_by=slot.updated_by,
        has_password=slot.password_hash is not None,
    )
