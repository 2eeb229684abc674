"""Passwords, tokens and logins that are wrong, forged or guessed."""

import base64
import json
import unicodedata
from typing import Any

import jwt
import pytest

from tests.support.door import INGEST, Case, request, upload
from tests.support.multipart import encode, file
from tests.support.pictures import jpeg
from tests.support.product import ADMIN_PASSWORD, SLOT_PASSWORD

PHOTO = jpeg(48, 32, seed=909)
NOT_LET_IN = (401, "slot-credentials-invalid")
LOGIN_REQUIRED = (401, "login-required")
WRONG_LOGIN = (401, "credentials-invalid")
NOBODY = {"username": "nobody", "password": "wrong"}
LOOKALIKE = "b\N{CYRILLIC SMALL LETTER O}ss"
SLOT_PASSWORDS = {
    "A002": upload(file(PHOTO), password=None),
    "A003": upload(file(PHOTO), password=None, path=f"{INGEST}?password=in-the-query-4711"),
    "A004-space": upload(file(PHOTO), password=SLOT_PASSWORD + " "),
    "A004-case": upload(file(PHOTO), password=SLOT_PASSWORD.upper()),
    "A004-nfd": upload(file(PHOTO), password=unicodedata.normalize("NFD", SLOT_PASSWORD)),
}
CLAIMS: dict[str, dict[str, Any]] = {
    **{f"A023-{claim}": {claim: None} for claim in ("exp", "jti", "aud", "iss", "iat", "sub")},
    "A023-another-aud": {"aud": "another-service"},
    "A024-far": {"exp": 10**30},
    "A024-text": {"exp": "9999999999"},
    "A024-nan": {"exp": float("nan")},
}
HEADERS: dict[str, dict[str, Any]] = {
    "A019": {"crit": ["foo"], "foo": 1},
    "A020-jku": {"jku": "https://evil.example"},
    "A020-jwk": {"jwk": {"kty": "oct", "k": ""}},
    "A020-x5u": {"x5u": "https://evil.example"},
    "A020-kid": {"kid": "../../dev/null"},
}
LOGINS = {
    "A010-unknown": request("POST", "/api/login", body=NOBODY),
    "A010-wrong": request("POST", "/api/login", body={"username": "boss", "password": "wrong"}),
    "A015-nul": request("POST", "/api/login", body={"username": "boss\0", "password": ADMIN_PASSWORD}),
    "A015-space": request("POST", "/api/login", body={"username": " boss", "password": ADMIN_PASSWORD}),
    "A015-cyrillic": request("POST", "/api/login", body={"username": LOOKALIKE, "password": ADMIN_PASSWORD}),
    "A015-case": request("POST", "/api/login", body={"username": "BOSS", "password": ADMIN_PASSWORD}),
}
LOGIN_BODIES = {
    "A014-form": ("application/x-www-form-urlencoded", b"username=boss&password=x"),
    "A014-multipart": ("multipart/form-data; boundary=BB", encode([file(b"x", "username")])[1]),
}


@pytest.mark.parametrize("name", SLOT_PASSWORDS)
async def test_a_password_is_compared_byte_for_byte_where_it_belongs(door, name):
    door.server.secrets.add("in-the-query-4711")
    await door.check_upload(Case(SLOT_PASSWORDS[name], *NOT_LET_IN))


async def test_a006_wrong_slot_passwords_lock_their_address_out_and_no_other(door):
    """A booth whose password was right a moment ago goes on sending, also from behind the same address."""
    assert (await door.send(upload(file(PHOTO)))).status == 200
    guesser = door.stranger()
    answers = [await door.send(upload(file(PHOTO), password="wrong"), address=guesser) for _ in range(14)]
    assert [answer.status for answer in answers] == [401] * 10 + [429] * 4
    assert b'"login-locked"' in answers[-1].body
    assert int(answers[-1].headers["retry-after"]) > 0
    for address in (guesser, door.stranger()):
        assert (await door.send(upload(file(PHOTO)), address=address)).status == 200


@pytest.mark.parametrize("name", LOGINS)
async def test_a_wrong_login_says_nothing_of_what_was_wrong(door, name):
    answer = await door.check(Case(LOGINS[name], *WRONG_LOGIN))
    plain = await door.check(Case(request("POST", "/api/login", body=NOBODY), *WRONG_LOGIN))
    said = [json.loads(each.body) | {"instance": ""} for each in (answer, plain)]
    assert said[0] == said[1]
    assert answer.headers.keys() == plain.headers.keys()


async def test_a011_a012_a027_five_wrong_logins_lock_their_address_out_and_no_other(door):
    guesser = door.stranger()
    wrong = {"username": "boss", "password": "wrong"}
    right = {"username": "boss", "password": ADMIN_PASSWORD}
    for _ in range(5):
        assert (await door.ask("POST", "/api/login", body=wrong, address=guesser)).status == 401
    locked = await door.ask("POST", "/api/login", body=right, address=guesser)
    assert (locked.status, json.loads(locked.body)["code"]) == (429, "login-locked")
    assert 800 < int(locked.headers["retry-after"]) <= 900
    audited = door.server.query(f"SELECT action FROM audit WHERE address = '{guesser}'")
    assert audited == [("login.locked",)]
    let_in = await door.ask("POST", "/api/login", body=right)
    assert let_in.status == 200
    token = json.loads(let_in.body)["access_token"]
    door.server.secrets.add(token)
    mine = f"Authorization: Bearer {token}"
    assert (await door.ask("POST", "/api/logout", mine)).status == 204
    assert (await door.ask("GET", "/api/settings", mine)).status == 401


@pytest.mark.parametrize("name", LOGIN_BODIES)
async def test_only_json_signs_in(door, name):
    content_type, body = LOGIN_BODIES[name]
    raw = request("POST", "/api/login", f"Content-Type: {content_type}", body=body)
    await door.check(Case(raw, 415, "unsupported-media-type"))


@pytest.fixture
def sign(door):
    """Tokens as the server itself signs them: whoever held its key could get no further with these."""
    key = (door.server.data_dir / "secrets/jwt_signing_key").read_bytes()
    claims = jwt.decode(door.admin[0].rpartition(" ")[2], options={"verify_signature": False})

    def sign(changed: dict[str, Any], headers: dict[str, Any] | None = None, key: bytes = key) -> str:
        kept = {name: value for name, value in (claims | changed).items() if value is not None}
        return jwt.encode(kept, key, "HS256", headers=headers)

    return sign


async def settings(door, authorization):
    raw = request("GET", "/api/settings", f"Authorization: {authorization}")
    answer = await door.send(raw)
    return answer.status, json.loads(answer.body).get("code")


async def test_a022_a_clock_a_little_ahead_is_good(door, sign):
    iat = jwt.decode(sign({}), options={"verify_signature": False})["iat"]
    for token in (sign({}), sign({"iat": iat + 30})):
        assert (await settings(door, f"Bearer {token}"))[0] == 200


@pytest.mark.parametrize("name", CLAIMS)
async def test_a_token_with_a_wrong_claim_is_none(door, sign, name):
    assert await settings(door, f"Bearer {sign(CLAIMS[name])}") == LOGIN_REQUIRED


@pytest.mark.parametrize("name", HEADERS)
async def test_a_token_with_a_header_of_its_own_is_none(door, sign, name):
    assert await settings(door, f"Bearer {sign({}, HEADERS[name])}") == LOGIN_REQUIRED


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE"], ids=["A016-none", "A016-None", "A016-nOnE"])
async def test_an_unsigned_token_is_none(door, sign, algorithm):
    header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()).decode().rstrip("=")
    _, payload, signature = sign({}).split(".")
    for end in ("", signature):
        assert await settings(door, f"Bearer {header}.{payload}.{end}") == LOGIN_REQUIRED


async def test_a018_a_token_with_another_signature_is_none(door, sign):
    body, _, signature = sign({}).rpartition(".")
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    for token in (sign({}, key=b"k" * 32), f"{body}.{flipped}", f"{body}."):
        assert await settings(door, f"Bearer {token}") == LOGIN_REQUIRED


async def test_a026_a_token_has_one_spelling(door, sign):
    token = sign({})
    for authorization in (f"Basic {token}", f"Bearer  {token}", token):
        assert await settings(door, authorization) == LOGIN_REQUIRED
