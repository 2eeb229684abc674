"""A rule that catches nothing is worth nothing: each gets source that breaks it, and source that only looks so."""

import pytest

from tests.architecture import rules
from tests.architecture.rules import Module

CAUGHT = [
    (rules.imports_point_inwards, "core/x.py", "from photochanger.adapters import secrets"),
    (rules.imports_point_inwards, "core/x.py", "import photochanger.web.log"),
    (rules.imports_point_inwards, "core/x.py", "from photochanger.config import Config"),
    (rules.imports_point_inwards, "core/x.py", "from photochanger import assets"),
    (rules.imports_point_inwards, "adapters/x.py", "from photochanger.web.log import configure"),
    (rules.imports_point_inwards, "adapters/x.py", "from photochanger.config import Config"),
    (rules.imports_point_inwards, "web/x.py", "def f():\n    from photochanger.features.slots import service"),
    (rules.imports_point_inwards, "features/slots/x.py", "from photochanger.app import create_app"),
    (rules.imports_point_inwards, "features/slots/x.py", "from photochanger import cli"),
    (rules.imports_point_inwards, "config.py", "from photochanger.features.slots import service"),
    (rules.stand_ins_know_nothing_of_the_product, "vendors/x.py", "from photochanger.core.clock import Clock"),
    (
        rules.features_know_each_other_in_one_direction,
        "features/slots/service.py",
        "from photochanger.features.jobs.service import JobService",
    ),
    (
        rules.features_know_each_other_in_one_direction,
        "features/audit/service.py",
        "from photochanger.features import settings",
    ),
    (
        rules.features_meet_at_their_doors,
        "features/ingest/service.py",
        "from photochanger.features.jobs.repository import JobRepository",
    ),
    (
        rules.features_meet_at_their_doors,
        "features/ingest/service.py",
        "from photochanger.features.jobs.models import Job\ndef f(): return Job(id=1)",
    ),
    (
        rules.features_meet_at_their_doors,
        "features/ingest/repository.py",
        "from photochanger.features.jobs.models import Job\nstatement = update(Job).where(Job.id == 1)",
    ),
    (rules.litestar_stays_at_the_edge, "features/slots/service.py", "from litestar import get"),
    (rules.litestar_stays_at_the_edge, "adapters/api.py", "import litestar.datastructures"),
    (rules.sql_lives_in_repositories, "features/slots/service.py", "from sqlalchemy import select"),
    (rules.sql_lives_in_repositories, "features/slots/models.py", "from sqlalchemy import update"),
    (rules.sql_lives_in_repositories, "features/slots/service.py", "from sqlalchemy.dialects.sqlite import insert"),
    (rules.sql_lives_in_repositories, "web/health.py", "async def f(session): await session.execute('SELECT 1')"),
    (rules.only_the_session_commits, "features/slots/repository.py", "async def f(self): await self.session.commit()"),
    (rules.only_the_session_commits, "adapters/db/engine.py", "def f(session): session.rollback()"),
    (rules.only_config_reads_the_environment, "cli.py", "import os\nhome = os.environ['HOME']"),
    (rules.only_config_reads_the_environment, "adapters/x.py", "import os\nhome = os.getenv('HOME')"),
    (rules.only_config_reads_the_environment, "adapters/x.py", "from os import environ"),
    (rules.settings_are_not_read_at_import, "app.py", "config = load_config()"),
    (rules.settings_are_not_read_at_import, "web/x.py", "class A:\n    config = wrap(Config())"),
    (rules.time_comes_from_the_clock, "features/jobs/service.py", "started = datetime.now(UTC)"),
    (rules.time_comes_from_the_clock, "features/jobs/service.py", "today = datetime.datetime.today()"),
    (rules.time_comes_from_the_clock, "features/jobs/service.py", "today = datetime.date.today()"),
    (rules.time_comes_from_the_clock, "web/x.py", "import time\nstart = time.perf_counter()"),
    (rules.time_comes_from_the_clock, "web/x.py", "from time import monotonic"),
    (rules.time_comes_from_the_clock, "features/jobs/repository.py", "statement = select(func.now())"),
    (rules.relationships_never_load_by_themselves, "features/jobs/models.py", "slot = relationship('Slot')"),
    (rules.relationships_never_load_by_themselves, "features/jobs/models.py", "s = orm.relationship(lazy='joined')"),
    (rules.files_and_functions_stay_small, "core/x.py", "x = 1\n" * 301),
    (rules.files_and_functions_stay_small, "core/x.py", "async def f():\n" + "    x = 1\n" * 45),
    (rules.features_have_the_same_shape, "features/slots/utils.py", "x = 1"),
    (rules.features_have_the_same_shape, "features/slots/multipart.py", "x = 1"),
]

ALLOWED = [
    (rules.imports_point_inwards, "adapters/x.py", "from photochanger.core.clock import Clock"),
    (rules.stand_ins_know_nothing_of_the_product, "vendors/x.py", "from photochanger.vendors.book import Book"),
    (rules.imports_point_inwards, "web/render.py", "from photochanger.assets import assets"),
    (rules.imports_point_inwards, "features/settings/service.py", "from photochanger.config import Config"),
    (rules.imports_point_inwards, "cli.py", "from photochanger.app import create_app"),
    (rules.imports_point_inwards, "app.py", "from photochanger.features.slots.api import SlotApi"),
    (
        rules.features_know_each_other_in_one_direction,
        "features/jobs/service.py",
        "from photochanger.features.slots.service import SlotService",
    ),
    (
        rules.features_meet_at_their_doors,
        "features/ingest/service.py",
        "from photochanger.features.jobs.models import Job\ndef f(job: Job) -> None: ...",
    ),
    (rules.features_meet_at_their_doors, "features/jobs/service.py", "from photochanger.features.jobs.x import y"),
    (rules.litestar_stays_at_the_edge, "features/slots/api.py", "from litestar import get"),
    (rules.sql_lives_in_repositories, "features/slots/repository.py", "from sqlalchemy import select"),
    (rules.sql_lives_in_repositories, "features/slots/models.py", "from sqlalchemy import Index, String, text"),
    (rules.only_the_session_commits, "adapters/db/session.py", "async def f(session): await session.commit()"),
    (rules.only_config_reads_the_environment, "config.py", "import os\nenviron = os.environ"),
    (rules.settings_are_not_read_at_import, "app.py", "def main(): create_app(load_config())"),
    (
        rules.time_comes_from_the_clock,
        "features/jobs/service.py",
        "def f(clock): return clock.now(), clock.monotonic()",
    ),
    (rules.relationships_never_load_by_themselves, "features/jobs/models.py", "s = relationship('S', lazy='raise')"),
    (rules.files_and_functions_stay_small, "core/x.py", "def f():\n" + "    x = 1\n" * 44),
    (rules.features_have_the_same_shape, "features/ingest/multipart.py", "x = 1"),
]


@pytest.mark.parametrize(("rule", "path", "source"), CAUGHT)
def test_a_breach_is_caught_and_explained(rule, path, source):
    [line] = rules.explain(rule, [Module.parse(path, source)])
    assert line.startswith(f"photochanger/{path}:")
    assert rule.__doc__ in line


@pytest.mark.parametrize(("rule", "path", "source"), ALLOWED)
def test_what_is_allowed_is_left_alone(rule, path, source):
    assert rules.explain(rule, [Module.parse(path, source)]) == []


def test_every_rule_has_a_reason_and_is_tested_both_ways():
    assert {rule for rule, _, _ in CAUGHT} == {rule for rule, _, _ in ALLOWED} == set(rules.RULES)
    assert all(rule.__doc__ for rule in rules.RULES)
