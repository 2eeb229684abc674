import anyio
import pytest

from photochanger.adapters.db.session import Database
from photochanger.core.errors import Problem
from photochanger.features.audit.schemas import Actor
from photochanger.features.settings.schemas import Settings
from photochanger.features.settings.service import SettingsService
from tests.support.audit import entries
from tests.support.clock import FakeClock

ANNA = Actor("anna", "192.0.2.1")
BORIS = Actor("boris", "192.0.2.2")
DEFAULTS = Settings(sync_response_seconds=40, provider_concurrency={"darkroom": 2})


def service_of(
    database: Database,
    clock: FakeClock,
    defaults: Settings = DEFAULTS,
    providers: tuple[str, ...] = ("darkroom", "gemini"),
) -> SettingsService:
    return SettingsService(database, clock, defaults, providers)


@pytest.fixture
def settings(database: Database, clock: FakeClock) -> SettingsService:
    return service_of(database, clock)


async def refusal(settings: SettingsService, raw: object, actor: Actor = ANNA) -> Problem:
    with pytest.raises(Problem) as refused:
        await settings.save(raw, actor)
    return refused.value


async def wrong_fields(settings: SettingsService, **members: object) -> set[str]:
    problem = await refusal(settings, {"version": 1, **members})
    assert problem.code == "validation-failed"
    return {error.field for error in problem.members["errors"]}


async def test_before_anybody_saved_the_environment_and_the_defaults_hold(settings: SettingsService) -> None:
    document = await settings.document()
    assert document.version == 1
    assert document.sync_response_seconds == 40
    assert document.result_ttl_hours == 72
    assert document.provider_concurrency == {"darkroom": 2, "gemini": 20}
    assert await settings.current() == service_defaults()


def service_defaults() -> Settings:
    return Settings(
        sync_response_seconds=40,
        provider_concurrency={"darkroom": 2, "gemini": 20},
        provider_per_minute={"darkroom": None, "gemini": None},
    )


async def test_what_is_saved_wins_over_the_environment(settings: SettingsService) -> None:
    saved = await settings.save({"version": 1, "sync_response_seconds": 20}, ANNA)
    assert (saved.version, saved.sync_response_seconds) == (2, 20)
    assert (await settings.current()).sync_response_seconds == 20
    assert await settings.document() == saved


async def test_what_nobody_touched_goes_on_following_the_environment(
    settings: SettingsService, database: Database, clock: FakeClock
) -> None:
    everything = {**as_json(await settings.document()), "max_slots": 20}
    await settings.save(everything, ANNA)
    later = service_of(database, clock, Settings(sync_response_seconds=55, provider_concurrency={"darkroom": 8}))
    current = await later.current()
    assert (current.max_slots, current.sync_response_seconds) == (20, 55)
    assert current.provider_concurrency == {"darkroom": 8, "gemini": 20}


async def test_a_saved_member_stays_saved_when_it_meets_the_environment_again(
    settings: SettingsService, database: Database, clock: FakeClock
) -> None:
    await settings.save({"version": 1, "sync_response_seconds": 20}, ANNA)
    await settings.save({"version": 2, "sync_response_seconds": 40}, ANNA)
    later = service_of(database, clock, Settings(sync_response_seconds=55))
    assert (await later.current()).sync_response_seconds == 40


async def test_a_member_left_out_keeps_its_value(settings: SettingsService) -> None:
    await settings.save({"version": 1, "sync_response_seconds": 20, "provider_concurrency": {"gemini": 5}}, ANNA)
    saved = await settings.save({"version": 2, "provider_concurrency": {"darkroom": 1}}, ANNA)
    assert saved.sync_response_seconds == 20
    assert saved.provider_concurrency == {"darkroom": 1, "gemini": 5}
    saved = await settings.save({"version": 3, "provider_per_minute": {"gemini": 60}}, ANNA)
    assert (saved.provider_per_minute, saved.provider_concurrency["gemini"]) == ({"darkroom": None, "gemini": 60}, 5)
    saved = await settings.save({"version": 4, "provider_per_minute": {"gemini": None}}, ANNA)
    assert saved.provider_per_minute == {"darkroom": None, "gemini": None}


async def test_a_document_of_get_may_be_sent_back_whole(settings: SettingsService) -> None:
    document = await settings.document()
    saved = await settings.save(as_json(document), ANNA)
    assert as_json(saved) == {**as_json(document), "version": 2}


async def test_null_is_a_value_where_it_is_allowed(settings: SettingsService) -> None:
    await settings.save({"version": 1, "source_ttl_hours": 0}, ANNA)
    assert (await settings.save({"version": 2, "source_ttl_hours": None}, ANNA)).source_ttl_hours is None


async def test_a_provider_that_is_gone_does_not_hurt(
    settings: SettingsService, database: Database, clock: FakeClock
) -> None:
    await settings.save(
        {"version": 1, "provider_concurrency": {"gemini": 5}, "providers_paused": ["gemini", "darkroom"]}, ANNA
    )
    later = service_of(database, clock, providers=("darkroom",))
    document = await later.document()
    assert document.provider_concurrency == {"darkroom": 2}
    assert document.providers_paused == ["darkroom"]
    assert (await later.save(as_json(document), ANNA)).version == 3


async def test_all_mistakes_are_reported_at_once_and_nothing_is_saved(
    settings: SettingsService, database: Database
) -> None:
    fields = await wrong_fields(
        settings,
        sync_response_seconds=9,
        result_ttl_hours="72",
        time_zone="Mars/Olympus",
        providers_paused=["darkroom", "nobody"],
        provider_concurrency={"gemini": 0, "nobody": 1},
        provider_per_minute={"gemini": 0},
        colour="red",
    )
    assert fields == {
        "sync_response_seconds",
        "result_ttl_hours",
        "time_zone",
        "providers_paused.1",
        "provider_concurrency.gemini",
        "provider_concurrency.nobody",
        "provider_per_minute.gemini",
        "colour",
    }
    assert (await settings.document()).version == 1
    assert await entries(database) == []


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("sync_response_seconds", [9, 61, -1, 1_000_000_000, "10", 10.0, True, None], [10, 60]),
        ("result_ttl_hours", [0, 721, 100_000], [1, 720]),
        ("source_ttl_hours", [-1, 721], [0, 720, None]),
        ("upload_limit_mb", [0, 2049], [1, 2048]),
        ("ingest_rps", [0, 1000.5, -1, "20"], [0.1, 20, 1000]),
        ("ingest_burst", [0, 10_001, 1.5], [1, 10_000]),
        ("cleanup_interval_minutes", [0, 1441], [1, 1440]),
        ("cleanup_enabled", [1, "true", None], [True, False]),
        ("max_slots", [0, 101], [1, 100]),
        ("default_language", ["de", "", None], ["en", "ru"]),
        ("day_starts_at", ["24:00", "6:00", "06:60", "06:00\n", "06:00:00", 6], ["00:00", "23:59"]),
        (
            "time_zone",
            ["", "Mars/Olympus", "../etc/passwd", "/etc/localtime", "Europe", "a" * 65, 5],
            ["Europe/Moscow"],
        ),
        ("provider_concurrency", [[], None, "x"], [{}, {"gemini": 1}, {"gemini": 100}]),
        ("providers_paused", ["gemini", None, {}], [[], ["gemini"]]),
    ],
)
async def test_ranges_are_kept(settings: SettingsService, name: str, wrong: list[object], right: list[object]) -> None:
    for value in wrong:
        assert await wrong_fields(settings, **{name: value}) == {name}, value
    for version, value in enumerate(right, start=1):
        saved = await settings.save({"version": version, name: value}, ANNA)
        assert name == "provider_concurrency" or getattr(saved, name) == value


@pytest.mark.parametrize("raw", [None, [], "x", 5])
async def test_what_is_no_object_is_refused(settings: SettingsService, raw: object) -> None:
    assert (await refusal(settings, raw)).code == "validation-failed"


@pytest.mark.parametrize("version", [{}, {"version": None}, {"version": "1"}, {"version": 1.0}])
async def test_the_version_is_required(settings: SettingsService, version: dict[str, object]) -> None:
    problem = await refusal(settings, {"max_slots": 16, **version})
    assert [error.field for error in problem.members["errors"]] == ["version"]


@pytest.mark.parametrize("stale", [0, 1, 3])
async def test_a_stale_version_is_refused_names_who_was_faster_and_is_audited(
    settings: SettingsService, database: Database, clock: FakeClock, stale: int
) -> None:
    await settings.save({"version": 1, "max_slots": 16}, ANNA)
    clock.advance(seconds=1)
    problem = await refusal(settings, {"version": stale, "max_slots": 17}, BORIS)
    assert problem.code == "stale-version"
    assert "Changed by anna meanwhile" in problem.detail
    assert problem.members == {"version": 2}
    assert (await settings.current()).max_slots == 16
    newest = (await entries(database))[0]
    assert (newest.actor, newest.action) == ("boris", "settings.conflicted")
    assert newest.detail == {"version": stale, "current_version": 2}


async def test_a_stale_version_before_the_first_save_is_refused_too(settings: SettingsService) -> None:
    assert (await refusal(settings, {"version": 2, "max_slots": 17})).code == "stale-version"


async def test_of_simultaneous_saves_exactly_one_wins(settings: SettingsService, database: Database) -> None:
    outcomes: list[str] = []

    async def save(slots: int) -> None:
        try:
            await settings.save({"version": 1, "max_slots": slots}, ANNA)
            outcomes.append("saved")
        except Problem as problem:
            outcomes.append(problem.code)

    async with anyio.create_task_group() as group:
        for slots in range(20, 28):
            group.start_soon(save, slots)
    assert sorted(outcomes) == ["saved", *["stale-version"] * 7]
    assert len(await entries(database, action="settings.changed")) == 1


async def test_a_save_is_audited_with_what_changed(settings: SettingsService, database: Database) -> None:
    await settings.save({"version": 1, "max_slots": 16, "result_ttl_hours": 72}, ANNA)
    [entry] = await entries(database)
    assert (entry.actor, entry.address, entry.action) == ("anna", "192.0.2.1", "settings.changed")
    assert entry.detail == {"max_slots": {"from": 15, "to": 16}}


def as_json(document: Settings) -> dict[str, object]:
    return {name: getattr(document, name) for name in document.__struct_fields__}
