from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Request, delete, get

from photochanger.features.accounts.api import AccountsApi
from photochanger.features.accounts.service import AccountService
from tests.support.accounts import PASSWORD, Users, three_users
from tests.support.api import serving
from tests.support.clock import FakeClock
from tests.support.product import running_product


@get("/unmarked")
async def unmarked() -> str:
    return "secret"


@get("/everybody", opt={"access": "public"})
async def everybody() -> str:
    return "welcome"


@get("/anybody", opt={"access": "any"})
async def anybody(request: Request[Any, Any, Any]) -> str:
    return str(request.user.username)


@get("/staff", opt={"access": "operator"})
async def staff() -> str:
    return "tools"


@get("/perhaps", opt={"access": "optional"})
async def perhaps(request: Request[Any, Any, Any]) -> str:
    return request.auth.role if request.auth else "nobody"


@get("/mistyped", opt={"access": "pubilc"})
async def mistyped() -> str:
    return "secret"


@delete("/everybody")
async def remove() -> None:
    raise AssertionError("reached without a login")


HANDLERS = [AccountsApi, unmarked, everybody, anybody, staff, perhaps, mistyped, remove]


@pytest.fixture
async def users(accounts: AccountService) -> Users:
    return await three_users(accounts)


@pytest.fixture
async def client(accounts: AccountService, clock: FakeClock) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(HANDLERS, {"accounts": accounts}, accounts=accounts, clock=clock) as client:
        yield client


async def test_signing_in_and_out(client: httpx.AsyncClient, users: Users) -> None:
    answer = await client.post("/api/login", json={"username": "admin", "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()
    assert set(token) == {"access_token", "token_type", "expires_in"}
    assert (token["token_type"], token["expires_in"]) == ("bearer", 43_200)
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    assert (await client.get("/unmarked", headers=headers)).status_code == 200
    goodbye = await client.post("/api/logout", headers=headers)
    assert (goodbye.status_code, goodbye.content) == (204, b"")
    assert (await client.get("/unmarked", headers=headers)).status_code == 401
    assert (await client.post("/api/logout", headers=headers)).status_code == 401


async def test_an_unknown_name_and_a_wrong_password_get_the_same_answer(
    client: httpx.AsyncClient, users: Users
) -> None:
    answers = [
        await client.post(
            "/api/login", json={"username": name, "password": "wrong one"}, headers={"X-Request-ID": "same-id-1"}
        )
        for name in ("admin", "nobody", "admin\0", "ADMIN")
    ]
    assert [answer.status_code for answer in answers] == [401] * 4
    assert answers[0].json()["code"] == "credentials-invalid"
    assert all(answer.content == answers[0].content for answer in answers)
    assert all(dict(answer.headers) == dict(answers[0].headers) for answer in answers)


async def test_a_lock_answers_429_with_the_seconds_left(
    client: httpx.AsyncClient, users: Users, clock: FakeClock
) -> None:
    for _ in range(5):
        await client.post("/api/login", json={"username": "admin", "password": "wrong one"})
    clock.advance(seconds=30)
    answer = await client.post("/api/login", json={"username": "admin", "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (429, "login-locked")
    assert answer.headers["retry-after"] == "870"


async def test_forwarding_headers_of_strangers_do_not_escape_the_lock(client: httpx.AsyncClient, users: Users) -> None:
    for number in range(6):
        answer = await client.post(
            "/api/login",
            json={"username": "admin", "password": "wrong one"},
            headers={"X-Forwarded-For": f"198.51.100.{number}"},
        )
    assert answer.status_code == 429


async def test_another_address_still_gets_in(
    client: httpx.AsyncClient, users: Users, accounts: AccountService, clock: FakeClock
) -> None:
    for _ in range(6):
        locked = await client.post("/api/login", json={"username": "admin", "password": "wrong one"})
    assert locked.status_code == 429
    async with serving(HANDLERS, {"accounts": accounts}, accounts=accounts, clock=clock, peer="192.0.2.7") as other:
        answer = await other.post("/api/login", json={"username": "admin", "password": PASSWORD})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"username", "password"}),
        ({"username": 5, "password": None}, {"username", "password"}),
        ({"username": "a", "password": "b", "colour": "red"}, {"colour"}),
        ([], {"body"}),
    ],
)
async def test_a_wrong_login_document_names_every_field(
    client: httpx.AsyncClient, body: object, fields: set[str]
) -> None:
    answer = await client.post("/api/login", json=body)
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == fields


async def test_a_one_time_code_may_be_sent(client: httpx.AsyncClient, users: Users) -> None:
    body = {"username": "admin", "password": PASSWORD, "otp": None}
    assert (await client.post("/api/login", json=body)).status_code == 200


@pytest.mark.parametrize("kind", ["data", "files"])
async def test_only_json_signs_in(client: httpx.AsyncClient, users: Users, kind: str) -> None:
    fields: Any = {"username": "admin", "password": PASSWORD}
    if kind == "files":
        fields = {name: (None, value) for name, value in fields.items()}
    assert (await client.post("/api/login", **{kind: fields})).status_code == 415


async def test_a_handler_nobody_marked_is_closed(client: httpx.AsyncClient, users: Users) -> None:
    stranger = await client.get("/unmarked")
    assert (stranger.status_code, stranger.json()["code"]) == (401, "login-required")
    assert stranger.headers["www-authenticate"] == "Bearer"
    assert [(await client.get("/unmarked", headers=user)).status_code for user in users] == [200, 403, 403]


async def test_a_mistyped_mark_closes_for_all(client: httpx.AsyncClient, users: Users) -> None:
    assert (await client.get("/mistyped", headers=users.admin)).status_code == 500
    assert (await client.get("/mistyped")).status_code == 500


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("/everybody", [200, 200, 200, 200]),
        ("/perhaps", [200, 200, 200, 200]),
        ("/anybody", [401, 200, 200, 200]),
        ("/staff", [401, 200, 200, 403]),
        ("/unmarked", [401, 200, 403, 403]),
    ],
)
async def test_a_mark_says_who_comes_in(
    client: httpx.AsyncClient, users: Users, path: str, statuses: list[int]
) -> None:
    """A stranger, an administrator, an operator, a member."""
    callers: list[dict[str, str]] = [{}, *users]
    assert [(await client.get(path, headers=caller)).status_code for caller in callers] == statuses


async def test_a_handler_knows_who_asks(client: httpx.AsyncClient, users: Users) -> None:
    assert (await client.get("/anybody", headers=users.member)).text == "member"
    assert (await client.get("/perhaps", headers=users.operator)).text == "operator"
    assert (await client.get("/perhaps")).text == "nobody"
    assert (await client.get("/perhaps", headers={"Authorization": "Bearer x"})).text == "nobody"


async def test_two_authorization_headers_are_none(client: httpx.AsyncClient, users: Users) -> None:
    twice = [*users.admin.items(), *users.admin.items()]
    assert (await client.get("/unmarked", headers=twice)).status_code == 401


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
async def test_other_methods_of_a_closed_address_tell_a_stranger_nothing(
    client: httpx.AsyncClient, method: str
) -> None:
    assert (await client.request(method, "/unmarked")).status_code in {401, 405}
    assert "secret" not in (await client.request(method, "/unmarked")).text


async def test_options_is_as_open_as_get(client: httpx.AsyncClient, users: Users) -> None:
    assert (await client.options("/everybody")).status_code == 204
    assert (await client.options("/unmarked")).status_code == 401
    assert (await client.options("/unmarked", headers=users.admin)).status_code == 204
    assert (await client.options("/api/login")).status_code == 204


async def test_a_closed_method_beside_a_public_one_stays_closed(client: httpx.AsyncClient) -> None:
    assert (await client.delete("/everybody")).status_code == 401


async def test_an_exchanged_key_keeps_its_sessions_while_the_previous_one_is_named(tmp_path, shared_imaging):
    old, new = "the old key, thirty-two bytes or more", "the new key, thirty-two bytes or more"
    async with running_product(tmp_path, shared_imaging, environ={"JWT_SIGNING_KEY": old}) as product:
        before = product.admin
    overlap = {"JWT_SIGNING_KEY": new, "JWT_SIGNING_KEY_PREVIOUS": old}
    for environ, status in ((overlap, 200), ({"JWT_SIGNING_KEY": new}, 401)):
        async with running_product(tmp_path, shared_imaging, environ=environ) as product:
            assert (await product.client.get("/api/slots", headers=before)).status_code == status
