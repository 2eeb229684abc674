"""Holds the source to the rules of docs/architecture.md. A failure names the line, the rule and its reason."""

from pathlib import Path

import pytest

import photochanger
from tests.architecture import rules

ROOT = Path(photochanger.__file__).parent
MODULES = rules.modules(ROOT)
FEATURES = sorted(path for path in (ROOT / "features").iterdir() if (path / "__init__.py").exists())


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_the_rule(rule):
    breaches = rules.explain(rule, MODULES)
    assert not breaches, "\n" + "\n".join(breaches)


def test_the_whole_source_is_looked_at():
    assert {"config.py", "core/clock.py", "adapters/db/session.py"} <= {module.path for module in MODULES}


@pytest.mark.parametrize("folder", FEATURES, ids=lambda folder: folder.name)
def test_a_feature_has_a_place_in_the_order_and_a_short_readme(folder):
    assert folder.name in rules.FEATURE_ORDER
    readme = folder / "README.md"
    assert readme.is_file(), f"{readme} is missing: say in at most {rules.README_LINES} lines what the feature is for"
    assert 0 < len(readme.read_text().splitlines()) <= rules.README_LINES
