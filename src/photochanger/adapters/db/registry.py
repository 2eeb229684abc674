"""Every table of the product, for migrations and for the test that compares both. Features are named, not imported."""

from importlib import import_module
from pkgutil import iter_modules

from advanced_alchemy.types import GUID
from sqlalchemy import MetaData

from photochanger.adapters.db.base import Base


def _load_models() -> MetaData:
    features = import_module("photochanger.features")
    for feature in iter_modules(features.__path__, "photochanger.features."):
        package = import_module(feature.name)
        if any(module.name == "models" for module in iter_modules(package.__path__)):
            import_module(f"{feature.name}.models")
    return Base.metadata


metadata = _load_models()


def compare_type(
    _context: object, _found_column: object, _column: object, _found_type: object, wanted_type: object
) -> bool | None:
    """For alembic: SQLite tells a 16-byte binary column back as a number; everything else is compared as usual."""
    return False if isinstance(wanted_type, GUID) else None
