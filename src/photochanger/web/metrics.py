"""The numbers of one application, in a registry of its own, and `/metrics`.

Labels come from fixed sets (routes, methods, statuses): never from what a caller sent.
"""

import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from photochanger.core.errors import Problem
from photochanger.web.hosts import is_local

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 40, 50, 60)
_log = structlog.get_logger(__name__)

Refresh = Callable[[], Awaitable[None]]
"""Sets gauges that must be asked for before they are shown."""


class Metrics:
    """Features register their own metrics in `registry`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "photochanger_http_requests",
            "Answered requests.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "photochanger_http_request_seconds",
            "From a request's head to the last byte of its answer.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def observe(self, *, method: str, route: str, status: int, seconds: float) -> None:
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


def metrics_route(metrics: Metrics, token: str | None, refresh: Sequence[Refresh] = ()) -> HTTPRouteHandler:
    """`GET /metrics`, behind `token`; without one, for programs on this machine only."""

    @get("/metrics", include_in_schema=False, name="metrics", opt={"access": "public"})
    async def show_metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        _authorise(request, token)
        for each in refresh:
            try:
                await each()
            except Exception:  # noqa: BLE001
                # A gauge that cannot be read must not take the others with it.
                _log.exception("metrics.refresh_failed")
        return Response(
            generate_latest(metrics.registry),
            media_type=CONTENT_TYPE_PLAIN_0_0_4,
            headers={"cache-control": "no-store"},
        )

    return show_metrics


def _authorise(request: Request[Any, Any, Any], token: str | None) -> None:
    if token is None:
        if not is_local(request.scope):
            raise Problem("not-found")
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise Problem("login-required", "Send METRICS_TOKEN as the bearer token.")
