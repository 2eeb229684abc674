"""docs/openapi.json is the contract as it is served, and a changed contract has another version."""

import json
import re
from copy import deepcopy

import pytest

from photochanger.app import API_VERSION
from photochanger.core.errors import PROBLEMS
from tests.support import openapi
from tests.support.openapi import committed, served, what_to_do
from tests.support.product import Product


@pytest.fixture(scope="module")
def now():
    return served()


def operations(document):
    return [operation for path in document["paths"].values() for operation in path.values() if "responses" in operation]


def test_the_copy_is_the_contract_of_this_version(now):
    assert what_to_do(committed(), now) is None


async def test_what_is_served_is_what_is_copied(product: Product, now):
    answer = await product.client.get("/schema/openapi.json")
    assert answer.status_code == 200
    assert answer.json() == now
    assert answer.json()["openapi"].startswith("3.1")


def test_a_changed_contract_asks_for_another_version(now):
    changed = deepcopy(now)
    changed["paths"].pop("/livez")
    assert "raise API_VERSION" in str(what_to_do(now, changed))
    changed["info"]["version"] = "99.0.0"
    assert "is old" in str(what_to_do(now, changed))


def test_a_new_version_asks_for_a_new_copy(now):
    changed = deepcopy(now)
    changed["info"]["version"] = "99.0.0"
    assert "is old" in str(what_to_do(now, changed))


def test_writing_the_copy_refuses_a_changed_contract_of_the_same_version(now, tmp_path, monkeypatch):
    file = tmp_path / "openapi.json"
    monkeypatch.setattr(openapi, "COPY", file)
    changed = deepcopy(now)
    changed["paths"].pop("/livez")
    file.write_text(json.dumps(changed))
    with pytest.raises(SystemExit, match="raise API_VERSION"):
        openapi.main()
    assert committed() == changed
    changed["info"]["version"] = "0.0.1"
    file.write_text(json.dumps(changed))
    openapi.main()
    assert committed() == now


def test_the_version_is_semver(now):
    assert now["info"]["version"] == API_VERSION
    assert re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", API_VERSION)


def test_every_reference_leads_somewhere(now):
    for target in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(now))):
        place = now
        for step in target.split("/"):
            assert step in place, target
            place = place[step]


def test_operations_have_names_of_their_own_and_name_problems_that_exist(now):
    names = [operation["operationId"] for operation in operations(now)]
    assert len(names) == len(set(names)) > 20
    for operation in operations(now):
        assert "default" in operation["responses"] or operation["tags"] == ["operations"]
        for status, answer in operation["responses"].items():
            if "$ref" in answer and status != "default":
                assert {PROBLEMS[code].status for code in answer["description"].split(", ")} == {int(status)}
