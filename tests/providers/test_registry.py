import pytest
from msgspec import UNSET

from photochanger.adapters.imaging.darkroom_settings import Recipe, Sepia, Vignette
from photochanger.adapters.imaging.imaging import Imaging
from photochanger.adapters.providers.darkroom import Darkroom
from photochanger.adapters.providers.driver import BadConfiguration
from photochanger.adapters.providers.registry import Providers
from photochanger.core.forms import Mistakes


@pytest.fixture
def providers(tmp_path):
    return Providers([Darkroom(Imaging(workers=1, scratch=tmp_path))])


def check(providers, provider, operation, settings):
    mistakes = Mistakes()
    found = providers.check_step(provider, operation, settings, mistakes, "chain.0")
    return found, {error.field: error.message for error in mistakes.errors}


def test_a_good_step_gives_typed_settings(providers):
    assert check(providers, "darkroom", "sepia", {"strength": 0.5}) == (Sepia(strength=0.5), {})


def test_a_recipe_gives_typed_steps(providers):
    settings = {"steps": [{"operation": "sepia", "strength": 1}, {"operation": "vignette"}]}
    assert check(providers, "darkroom", "recipe", settings) == (Recipe(steps=[Sepia(), Vignette()]), {})


@pytest.mark.parametrize(
    ("provider", "operation", "settings", "fields"),
    [
        ("gemini", "edit", {}, {"chain.0.provider"}),
        ("darkroom", "edit", {}, {"chain.0.operation"}),
        ("darkroom", "sepia", {"strength": 2, "x": 1}, {"chain.0.settings.strength", "chain.0.settings.x"}),
        ("darkroom", "sepia", {"strength": "1"}, {"chain.0.settings.strength"}),
        ("darkroom", "poster", {"levels": 2}, {"chain.0.settings.levels"}),
        ("darkroom", "watermark", {"corner": "middle"}, {"chain.0.settings.corner"}),
        ("darkroom", "recipe", {}, {"chain.0.settings.steps"}),
        ("darkroom", "recipe", {"steps": []}, {"chain.0.settings.steps"}),
        ("darkroom", "recipe", {"steps": [{"operation": "sepia"}] * 9}, {"chain.0.settings.steps"}),
        (
            "darkroom",
            "recipe",
            {"steps": [{"operation": "sepia", "strength": 9}, {"operation": "recipe", "steps": []}, {}, 7]},
            {
                "chain.0.settings.steps.0.strength",
                "chain.0.settings.steps.1.operation",
                "chain.0.settings.steps.2.operation",
                "chain.0.settings.steps.3",
            },
        ),
    ],
)
def test_every_mistake_is_told_with_its_field(providers, provider, operation, settings, fields):
    found, errors = check(providers, provider, operation, settings)
    assert found is UNSET
    assert set(errors) == fields


def test_a_stored_step_that_is_not_right_any_more_is_a_matter_of_configuration(providers):
    assert providers.settings_of("darkroom", "sepia", {}) == Sepia()
    with pytest.raises(BadConfiguration, match="strength"):
        providers.settings_of("darkroom", "sepia", {"strength": 7})
    with pytest.raises(BadConfiguration, match="provider"):
        providers.settings_of("retired", "edit", {})


def test_providers_are_found_by_name(providers):
    assert providers.names == ("darkroom",)
    assert providers.get("darkroom") is providers.find("darkroom")
    assert providers.find("gemini") is None
    with pytest.raises(BadConfiguration, match="gemini"):
        providers.get("gemini")
