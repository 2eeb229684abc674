"""The models' base: advanced-alchemy's names of constraints and types for both databases, no surrogate columns."""

from typing import Any

from advanced_alchemy.base import CommonTableAttributes, create_registry
from sqlalchemy import JSON
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

# advanced-alchemy 1.12's own JsonB carries an Oracle variant that SQLAlchemy 2.1 cannot build.
_JSON = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class Base(CommonTableAttributes, DeclarativeBase):
    registry = create_registry(custom_annotation_map={dict[str, Any]: _JSON})
