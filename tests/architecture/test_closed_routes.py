"""Every route without a session: nothing but what is public on purpose answers a stranger."""

import pytest

from photochanger.core.limits import BODY_BYTES
from tests.support.product import running_product

PUBLIC = {
    "/api/ingest/{slot_id:str}": {"POST"},
    "/api/jobs/{job_id:str}": {"GET"},
    "/api/login": {"POST"},
    "/health/s3": {"GET"},
    "/healthz": {"GET"},
    "/livez": {"GET", "HEAD"},
    "/metrics": {"GET"},
    "/public/albums/{album_id:str}": {"GET", "HEAD"},
    "/public/inputs/{token:str}": {"GET", "HEAD"},
    "/public/results/{job_id:str}": {"GET", "HEAD"},
    "/public/results/{job_id:str}/{size:str}": {"GET", "HEAD"},
    "/public/slots/{slot_id:str}": {"GET", "HEAD"},
    "/public/slots/{slot_id:str}/pin": {"POST"},
    "/public/store/{token:str}": {"GET"},
    "/schema": {"GET"},
    "/schema/openapi.json": {"GET"},
    "/schema/{path:str}": {"GET"},
}
"""What a stranger may ask for: whoever adds to it says here that it is meant."""
UPLOADS = {
    "/api/ingest/{slot_id:str}": {"POST"},
    "/api/slots/{slot_id:str}/test-run": {"POST"},
    "/api/templates": {"POST"},
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
VALUES = {
    "slot_id": "slot-001",
    "job_id": "01939e2b-0000-7000-8000-000000000001",
    "album_id": "01939e2b-0000-7000-8000-000000000001",
    "size": "thumb",
    "token": "x",
    "version": "1",
    "path": "x",
}


@pytest.fixture(scope="module")
async def product(tmp_path_factory, shared_imaging):
    async with running_product(tmp_path_factory.mktemp("routes") / "data", shared_imaging) as product:
        yield product


def routes(product):
    found = {route.path: set(route.methods) for route in product.app.routes if hasattr(route, "methods")}
    assert len(found) > 20
    return {path: methods - {"OPTIONS"} for path, methods in found.items() if not path.startswith("/static")}


def address(path):
    for name, value in VALUES.items():
        for kind in ("str", "int", "path"):
            path = path.replace(f"/{{{name}:{kind}}}", f"/{value}")
    assert "{" not in path, f"{path}: give its parameter a value above"
    return path


async def test_a_stranger_gets_into_nothing_that_is_not_public(product):
    answered = {}
    for path, methods in routes(product).items():
        for method in methods - PUBLIC.get(path, set()):
            answer = await product.client.request(method, address(path))
            if answer.status_code not in (401, 403):
                answered[method, path] = answer.status_code
    assert answered == {}


async def test_nothing_is_called_public_that_is_not_there(product):
    found = routes(product)
    assert {path: methods for path, methods in PUBLIC.items() if not methods <= found.get(path, set())} == {}


async def test_a_method_a_route_has_not_is_405_with_those_it_has(product):
    for path, methods in routes(product).items():
        for method in set(METHODS) - methods:
            answer = await product.client.request(method, address(path))
            if path.startswith("/schema") and answer.status_code == 404:
                continue
            assert answer.status_code == 405, (method, path)
            allowed = {each.strip() for each in answer.headers["allow"].split(",")}
            assert methods <= allowed <= methods | {"OPTIONS"}, (method, path)
            assert method == "HEAD" or answer.json()["code"] == "method-not-allowed"


async def test_a_wrong_token_gets_no_further_than_none(product):
    for path, methods in routes(product).items():
        for method in methods - PUBLIC.get(path, set()):
            for authorization in ("Bearer x.y.z", "Basic Ym9zczp4", "Bearer", ""):
                answer = await product.client.request(method, address(path), headers={"Authorization": authorization})
                assert answer.status_code == 401, (method, path)


@pytest.mark.parametrize(
    ("headers", "body", "refusal"),
    [
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--", (415, "unsupported-media-type")),
        ({"Content-Type": "application/json"}, b" " * (BODY_BYTES + 1), (413, "body-too-large")),
    ],
    ids=["multipart", "large"],
)
async def test_bodies_that_only_uploads_may_have_are_refused_before_anything_else(product, headers, body, refusal):
    answered = {}
    for path, methods in routes(product).items():
        for method in methods - {"HEAD"} - UPLOADS.get(path, set()):
            answer = await product.client.request(method, address(path), headers=headers, content=body)
            if (answer.status_code, answer.json()["code"]) != refusal:
                answered[method, path] = answer.status_code
    assert answered == {}


@pytest.mark.parametrize("path", ["/", "/admin", "/api", "/api/", "/nowhere", "/schema/swagger", "/public/"])
async def test_what_is_not_there_is_404(product, path):
    assert (await product.client.get(path)).status_code == 404
