"""`/livez`: the process serves. `/healthz`: what it needs can be reached. Reasons never hold a secret."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import structlog
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from photochanger.core.clock import Clock

_SECONDS = 2.0
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


def health_routes(checks: Mapping[str, Check], providers: Mapping[str, Check], clock: Clock) -> list[HTTPRouteHandler]:
    """A failed check fails the answer (503), a failed provider only degrades it."""

    @get("/livez", operation_id="livez", tags=["operations"], opt={"access": "public"}, sync_to_thread=False)
    def livez() -> dict[str, str]:
        return {"status": "ok"}

    @get("/healthz", operation_id="healthz", tags=["operations"], opt={"access": "public"})
    async def healthz() -> Response[dict[str, Any]]:
        names, all_checks = [*checks, *providers], [*checks.values(), *providers.values()]
        findings = await asyncio.gather(
            *(_run(name, check, clock) for name, check in zip(names, all_checks, strict=True))
        )
        parts = dict(zip(checks, findings, strict=False))
        services = dict(zip(providers, findings[len(checks) :], strict=True))
        status = _status(parts, services)
        headers = {"cache-control": "no-store"}
        if status == "failed":
            headers["retry-after"] = "5"
        return Response(
            {"status": status, "checks": {**parts, "providers": services}},
            status_code=503 if status == "failed" else 200,
            headers=headers,
        )

    return [livez, healthz]


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
