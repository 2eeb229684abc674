"""The HTTP contract as the product serves it, and its copy in docs/.

`python -m tests.support.openapi` writes the copy anew. It refuses where the contract changed and API_VERSION did not.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from photochanger.app import create_app
from photochanger.config import load_config

COPY = Path(__file__).parents[2] / "docs/openapi.json"
COMMAND = "python -m tests.support.openapi"


def served() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(load_config({"PHOTOCHANGER_DATA_DIR": folder}, env_file=None))
        document: dict[str, Any] = json.loads(json.dumps(app.openapi_schema.to_schema()))
        app.state.parts.passwords.close()
    return document


def committed() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(COPY.read_text(encoding="utf-8"))
    return document


def what_to_do(copy: dict[str, Any], now: dict[str, Any]) -> str | None:
    """None where the copy is the contract."""
    if copy == now:
        return None
    if _without_version(copy) != _without_version(now) and copy["info"]["version"] == now["info"]["version"]:
        return f"The contract changed: raise API_VERSION in src/photochanger/app.py (SemVer), then run {COMMAND}."
    return f"docs/openapi.json is old: run {COMMAND}."


def _without_version(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "info": {**document["info"], "version": ""}}


def main() -> None:
    now = served()
    advice = what_to_do(committed(), now) if COPY.exists() else None
    if advice and "API_VERSION" in advice:
        sys.exit(advice)
    COPY.write_text(json.dumps(now, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
