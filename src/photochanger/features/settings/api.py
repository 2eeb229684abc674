"""`/api/settings` for administrators."""

from typing import Any

from litestar import Controller, Request, get, put
from litestar.di import NamedDependency

from photochanger.features.audit.deps import actor_of
from photochanger.features.settings.schemas import SettingsDocument
from photochanger.features.settings.service import SettingsService
from photochanger.web.body import read_json
from photochanger.web.openapi import documented


class SettingsApi(Controller):
    path = "/api/settings"
    tags = ("settings",)
    opt = {"access": "admin"}  # noqa: RUF012 – the framework's way

    @get(
        operation_id="get_settings",
        summary="The settings in force",
        operation_class=documented(problems=("login-required", "forbidden")),
    )
    async def show(self, settings: NamedDependency[SettingsService]) -> SettingsDocument:
        return await settings.document()

    @put(
        operation_id="change_settings",
        summary="Change settings; a member left out keeps its value",
        operation_class=documented(
            body=SettingsDocument,
            problems=("malformed-json", "login-required", "forbidden", "stale-version", "validation-failed"),
        ),
    )
    async def save(
        self, request: Request[Any, Any, Any], settings: NamedDependency[SettingsService]
    ) -> SettingsDocument:
        return await settings.save(await read_json(request), actor_of(request))
