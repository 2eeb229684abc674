"""The HTTP application: every handler, what it is given, and what runs beside it. Nobody imports this."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar
from litestar.di import Provide

from photochanger.adapters.db.migrate import use_schema
from photochanger.adapters.memory import give_back_early
from photochanger.adapters.providers.driver import Driver
from photochanger.adapters.providers.probe import Probe
from photochanger.adapters.storage.store import ObjectStore, StorageUnavailable
from photochanger.assembly import Parts
from photochanger.assets import assets
from photochanger.config import Config
from photochanger.core.clock import Clock
from photochanger.features.accounts.api import AccountsApi
from photochanger.features.accounts.deps import AccessGuard
from photochanger.features.audit.api import AuditApi
from photochanger.features.clock.api import ClockApi
from photochanger.features.clock.service import ADVICE, sentence
from photochanger.features.galleries.public import GalleriesPublic
from photochanger.features.ingest.api import IngestApi, RerunApi, TemplatesApi, TestRunApi
from photochanger.features.ingest.measures import IngestMeasures
from photochanger.features.jobs.api import JobsApi
from photochanger.features.maintenance.doctor import SKEW_MS
from photochanger.features.media.api import CleanupApi, ResultsApi
from photochanger.features.media.measures import MediaMeasures
from photochanger.features.media.public import InputsPublic, ResultsPublic, StorePublic
from photochanger.features.prices.api import PricesApi
from photochanger.features.settings.api import SettingsApi
from photochanger.features.slots.api import SlotsApi
from photochanger.features.stats.api import StatsApi
from photochanger.web.body import refuse_bodies
from photochanger.web.health import Check, Degraded, NotConfigured, Unhealthy, health_routes
from photochanger.web.hosts import refuse_insane_host
from photochanger.web.layers import install_layers
from photochanger.web.metrics import Metrics, metrics_route
from photochanger.web.openapi import openapi_config
from photochanger.web.problems import EXCEPTION_HANDLERS
from photochanger.web.render import environment, template_config
from photochanger.web.static import StaticFiles

API_VERSION = "0.8.0"
"""SemVer of the HTTP contract; a test fails when `docs/openapi.json` changed and this did not."""

CONTROLLERS = (
    IngestApi,
    ResultsPublic,
    StorePublic,
    InputsPublic,
    GalleriesPublic,
    JobsApi,
    ResultsApi,
    CleanupApi,
    RerunApi,
    TestRunApi,
    TemplatesApi,
    SlotsApi,
    SettingsApi,
    AccountsApi,
    AuditApi,
    ClockApi,
    StatsApi,
    PricesApi,
)


def create_app(
    config: Config,
    *,
    store: ObjectStore | None = None,
    providers: Iterable[Driver] | None = None,
    clock: Clock | None = None,
    base_url: str = "http://127.0.0.1:8000",
) -> Litestar:
    return serve_parts(Parts(config, store=store, providers=providers, clock=clock, base_url=base_url))


def serve_parts(parts: Parts) -> Litestar:
    metrics, static = Metrics(), StaticFiles(assets("static"))
    stored = MediaMeasures(metrics.registry, database=parts.database, store=parts.store)
    token = parts.config.metrics_token
    checks, has_s3 = _checks(parts), parts.store.name == "s3"
    app = Litestar(
        route_handlers=[
            *CONTROLLERS,
            *health_routes(checks, _provider_checks(parts), parts.clock, s3=checks["storage"] if has_s3 else None),
            metrics_route(metrics, token.get_secret_value() if token else None, refresh=[stored.refresh]),
            static.handler(),
        ],
        dependencies=_dependencies(parts, metrics),
        guards=[refuse_bodies, AccessGuard(parts.accounts)],
        before_request=refuse_insane_host,
        lifespan=[lambda _: _running(parts)],
        exception_handlers=EXCEPTION_HANDLERS,
        template_config=template_config(environment(assets("templates"), static, parts.clock)),
        openapi_config=openapi_config(API_VERSION),
        logging_config=None,
        debug=False,
        pdb_on_exception=False,
    )
    install_layers(app, clock=parts.clock, addresses=parts.addresses, metrics=metrics, image_hosts=parts.image_hosts)
    app.state.parts = parts
    return app


@asynccontextmanager
async def _running(parts: Parts) -> AsyncIterator[None]:
    """Everything that lives as long as the application: schema first, then the workers, then maintenance."""
    give_back_early()
    try:
        await use_schema(parts.database.engine, assets("migrations"))
        await parts.imaging.start()
        async with parts.notices.running(), parts.maintenance.running():
            yield
            await parts.runner.drain()
    finally:
        await parts.close()


def _dependencies(parts: Parts, metrics: Metrics) -> Mapping[str, Provide]:
    """What handlers may ask for, by name."""
    names = (
        *(
            "clock",
            "clock_watch",
            "store",
            "links",
            "addresses",
            "cursors",
            "access",
            "accounts",
            "audit",
            "settings",
            "slots",
        ),
        *("jobs", "media", "inputs", "retention", "delivery", "galleries", "ingests", "templates", "answers"),
        *("reruns", "trials"),
        *("stats", "prices"),
    )
    services: dict[str, object] = {name: getattr(parts, name) for name in names}
    services["measures"] = IngestMeasures(metrics.registry)
    return {name: _given(service) for name, service in services.items()}


def _given(service: object) -> Provide:
    def give() -> Any:
        return service

    return Provide(give, sync_to_thread=False)


def _checks(parts: Parts) -> dict[str, Check]:
    async def database() -> None:
        moved = await parts.clock_watch.moved()
        if moved is not None:
            raise Degraded(f"{sentence(moved)} {ADVICE}")
        skew = await parts.doctor.clock_skew_ms()
        if abs(skew) > SKEW_MS:
            raise Degraded(f"its clock differs from this machine's by {skew} ms")

    async def storage() -> None:
        try:
            await parts.store.check()
        except StorageUnavailable as problem:
            raise Unhealthy(problem.reason) from None

    return {"database": database, "storage": storage}


def _provider_checks(parts: Parts) -> dict[str, Check]:
    def check(driver: Driver) -> Check:
        probe = Probe(driver, parts.clock)

        async def look() -> None:
            if not driver.is_configured:
                raise NotConfigured
            failure = await probe.failure()
            if failure is not None:
                raise Unhealthy(str(failure))

        return look

    return {driver.name: check(driver) for driver in parts.providers}
