"""Documentation that is read as a promise is held to the code: every variable and code has its line."""

import re
from pathlib import Path

import pytest
from dotenv import dotenv_values
from pydantic_core import PydanticUndefined

from photochanger.config import Config, load_config
from photochanger.core.errors import PROBLEMS

ROOT = Path(__file__).parents[2]
VARIABLES = {str(field.validation_alias): field for field in Config.model_fields.values()}
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """The cells of every table row whose first cell is code."""
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| `")
    ]


def default_of(name: str) -> str:
    default = VARIABLES[name].default
    return (
        ""
        if default in (None, (), "", PydanticUndefined)
        else f"`{default:g}`"
        if isinstance(default, float)
        else f"`{default}`"
    )


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_lists_every_variable_with_its_default_and_description():
    expected = [[f"`{name}`", default_of(name), str(field.description)] for name, field in VARIABLES.items()]
    assert rows(read("README.md")) == expected


def test_the_example_environment_names_every_variable_and_loads():
    assert list(dotenv_values(ROOT / ".env.example")) == list(VARIABLES)
    assert load_config({}, env_file=ROOT / ".env.example") == load_config({}, env_file=None)


def test_the_example_environment_shows_values_that_would_be_right(tmp_path):
    """Where the default is nothing, the comment above shows a value: all of them together load."""
    shown = re.findall(r"^# For example: ([A-Z0-9_]+=.+)$", read(".env.example"), re.MULTILINE)
    file = tmp_path / ".env"
    file.write_text("\n".join(shown))
    config = load_config({}, env_file=file)
    empty = [name for name, value in dotenv_values(ROOT / ".env.example").items() if not value]
    assert sorted(line.split("=")[0] for line in shown) == sorted(empty)
    assert config.metrics_token
    assert config.trusted_proxies


def test_every_problem_code_is_documented_with_its_status_and_meaning():
    documented = {code.strip("`"): (int(status), meaning) for code, status, meaning in rows(read("docs/errors.md"))}
    assert documented == {code: (kind.status, f"{kind.title}. {kind.detail}") for code, kind in PROBLEMS.items()}


def test_the_changelog_tells_of_this_version():
    version = re.search(r'^version = "(.+)"$', read("pyproject.toml"), re.MULTILINE)
    assert version
    assert f"\n## {version[1]}" in read("CHANGELOG.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)|src(?:set)?=\"([^\"]+)\"", page.read_text(encoding="utf-8")):
        path, _, anchor = (target[0] or target[1]).partition("#")
        if "://" in path:
            continue
        found = page.parent / path if path else page
        assert found.exists(), f"{page.name} points at {path}"
        assert not anchor or anchor in anchors(found.read_text(encoding="utf-8")), f"{page.name} points at #{anchor}"
