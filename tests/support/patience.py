"""How long products of a run wait for their database: a busy machine is no database that hangs.

Tests of a database that does hang ask for the product's own patience.
"""

import pytest

from photochanger.adapters.db import engine, turns

_OWN_SECONDS = turns.WAIT_SECONDS
_OWN_SETTINGS = dict(engine.SERVER_SETTINGS)


def be_patient() -> None:
    turns.WAIT_SECONDS = 20.0
    engine.SERVER_SETTINGS |= {"statement_timeout": "20000", "lock_timeout": "20000"}


def be_as_the_product_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "WAIT_SECONDS", _OWN_SECONDS)
    monkeypatch.setattr(engine, "SERVER_SETTINGS", _OWN_SETTINGS)
