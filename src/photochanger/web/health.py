"""`/livez`: the process serves. `/healthz`: what it needs can be reached. Reasons never hold a secret.

`/health/s3` looks at the bucket alone.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import structlog
from litestar import HttpMethod, Response, get, route
from litestar.handlers import HTTPRouteHandler

from photochanger.core.clock import Clock
from photochanger.web.openapi import read_operation

_SECONDS = 2.0
_FRESH_SECONDS = 1.0
_log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[None]]
"""Returns when all is well, raises `Unhealthy`, `Degraded` or `NotConfigured` when it is not."""


class Unhealthy(Exception):  # noqa: N818 – a finding, not a fault of the program
    """The text is shown to everybody."""


class Degraded(Exception):  # noqa: N818
    """It works, but somebody should look. The text is shown to everybody."""


class NotConfigured(Exception):  # noqa: N818
    """Nobody asked for this part, so it is neither well nor ill."""


class Finding(msgspec.Struct, omit_defaults=True):
    ok: bool | None
    duration_ms: float
    reason: str | None = None


def health_routes(
    checks: Mapping[str, Check], providers: Mapping[str, Check], clock: Clock, *, s3: Check | None = None
) -> list[HTTPRouteHandler]:
    """A failed check fails the answer (503), a failed provider only degrades it."""
    look = _Look({**checks, **providers}, clock)
    look_at_s3 = _Look({"s3": s3 or _nobody_asked}, clock)

    @route(
        "/livez",
        http_method=[HttpMethod.GET, HttpMethod.HEAD],
        operation_id=read_operation("livez"),
        tags=["operations"],
        opt={"access": "public"},
        sync_to_thread=False,
    )
    def livez() -> dict[str, str]:
        return {"status": "ok"}

    @get("/healthz", operation_id="healthz", tags=["operations"], opt={"access": "public"})
    async def healthz() -> Response[dict[str, Any]]:
        findings = await look.findings()
        parts = {name: findings[name] for name in checks}
        services = {name: findings[name] for name in providers}
        status = _status(parts, services)
        headers = {"cache-control": "no-store"}
        if status == "failed":
            headers["retry-after"] = "5"
        return Response(
            {"status": status, "checks": {**parts, "providers": services}},
            status_code=503 if status == "failed" else 200,
            headers=headers,
        )

    @get("/health/s3", operation_id="health_s3", tags=["operations"], opt={"access": "public"})
    async def health_s3() -> Response[dict[str, Any]]:
        finding = (await look_at_s3.findings())["s3"]
        failed = finding.ok is False
        headers = {"cache-control": "no-store", **({"retry-after": "5"} if failed else {})}
        body = {"status": "failed" if failed else "ok", "checks": {"s3": finding}}
        return Response(body, status_code=503 if failed else 200, headers=headers)

    return [livez, healthz, health_s3]


async def _nobody_asked() -> None:
    raise NotConfigured


class _Look:
    """Runs the checks at most once a second, however many ask: they are public, and some write."""

    def __init__(self, checks: Mapping[str, Check], clock: Clock) -> None:
        self._checks = checks
        self._clock = clock
        self._turn = asyncio.Lock()
        self._looked = -math.inf
        self._findings: dict[str, Finding] = {}

    async def findings(self) -> dict[str, Finding]:
        async with self._turn:
            if self._clock.monotonic() - self._looked >= _FRESH_SECONDS:
                found = await asyncio.gather(*(_run(name, check, self._clock) for name, check in self._checks.items()))
                self._findings = dict(zip(self._checks, found, strict=True))
                self._looked = self._clock.monotonic()
            return self._findings


def _status(parts: Mapping[str, Finding], services: Mapping[str, Finding]) -> str:
    if any(finding.ok is False for finding in parts.values()):
        return "failed"
    is_degraded = any(finding.ok is False for finding in services.values()) or any(
        each.reason for each in parts.values()
    )
    return "degraded" if is_degraded else "ok"


async def _run(name: str, check: Check, clock: Clock) -> Finding:
    started = clock.monotonic()
    ok: bool | None = True
    reason = None
    try:
        async with asyncio.timeout(_SECONDS):
            await check()
    except NotConfigured:
        ok, reason = None, "not configured"
    except Degraded as finding:
        reason = str(finding)
    except Unhealthy as finding:
        ok, reason = False, str(finding)
    except TimeoutError:
        ok, reason = False, f"no answer within {_SECONDS:.0f} s"
    except Exception as error:  # noqa: BLE001 – whatever a check meets is its finding
        # What an unknown error says may hold an address or a key.
        _log.warning("health.check_failed", check=name, exc_info=error)
        ok, reason = False, "failed; see the log"
    return Finding(ok, round((clock.monotonic() - started) * 1000, 1), reason)
