"""`photochanger stats …`, in this process."""

import pytest
from click.testing import CliRunner, Result

from photochanger.cli import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        environ = {"PHOTOCHANGER_DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": ""}
        return CliRunner().invoke(main, ["stats", *arguments], env=environ)

    return run


def test_hours_are_counted_anew_and_a_days_costs_written_anew(run):
    ended = run("rebuild")
    assert (ended.exit_code, ended.output) == (0, "Every hour that is over was counted anew.\n")
    ended = run("recompute", "2026-11-21")
    assert (ended.exit_code, ended.output) == (0, "0 jobs cost something else now.\n")


def test_a_day_that_is_none_is_refused(run):
    ended = run("recompute", "21.11.2026")
    assert ended.exit_code == 2
    assert "does not match the format" in ended.output
