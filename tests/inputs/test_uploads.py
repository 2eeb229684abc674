"""Uploads that are broken, odd or hostile in their framing, their parts or their file's name."""

import pytest

from photochanger.core.limits import MIB
from tests.support.booth import TEXTS
from tests.support.door import CLOSED_SLOT, INGEST, SMALL_SLOT, Case, request, upload
from tests.support.multipart import BOUNDARY, Part, encode, file, text
from tests.support.pictures import jpeg
from tests.support.product import SLOT_PASSWORD
from tests.support.streams import noise

PHOTO = jpeg(48, 32, seed=901)
TYPE, BODY = encode([text("password", SLOT_PASSWORD), file(PHOTO)])
NAMED = 'Content-Disposition: form-data; name="{}"'
MALFORMED = (400, "malformed-upload")
NOT_LET_IN = (401, "slot-credentials-invalid")


def typed(content_type: str, body: bytes = BODY) -> bytes:
    return request("POST", INGEST, f"Content-Type: {content_type}", body=body)


def framed(body: bytes) -> bytes:
    return typed(TYPE, body)


def charset(name: str, value: str = "abc") -> bytes:
    header = f"Content-Type: text/plain; charset={name}"
    return upload(Part((NAMED.format("survey1"), header), value.encode()), file(PHOTO))


def named(*headers: str | bytes) -> bytes:
    return upload(Part(headers, PHOTO))


def filename(name: str | bytes) -> bytes:
    raw = name if isinstance(name, bytes) else name.encode()
    return named(NAMED.format("fileToUpload").encode() + b'; filename="' + raw + b'"')


LARGE_FILE = PHOTO + noise(MIB - len(PHOTO))
MULTIPART = {
    "M001": Case(typed("multipart/form-data"), *MALFORMED),
    "M002": Case(typed("multipart/form-data; boundary="), *MALFORMED),
    "M003": Case(typed("multipart/form-data; boundary=" + "b" * 71, encode([file(PHOTO)], "b" * 71)[1]), *MALFORMED),
    "M005-lf": Case(typed('multipart/form-data; boundary="a\nb"'), 400),
    "M005-cr": Case(typed('multipart/form-data; boundary="a\rb"'), 400),
    "M005-nul": Case(typed('multipart/form-data; boundary="a\0b"'), 400),
    "M005-latin-1": Case(typed('multipart/form-data; boundary="caf\xe9"'), *MALFORMED),
    "M006": Case(typed(TYPE, encode([file(noise(MIB))], "CC")[1]), *MALFORMED),
    "M008": Case(framed(BODY[: -len(b"\r\n--BB--\r\n") + 1]), *MALFORMED),
    "M014": Case(framed(BODY + bytes(4 * MIB)), 200),
    "M015": Case(framed(BODY.replace(b'"password"\r\n', b'"password"\n')), *MALFORMED),
    "M016": Case(named(NAMED.format("file"), "X-Padding: " + "x" * 5000), *MALFORMED),
    "M018": Case(framed(f"--{BOUNDARY}\r\n{NAMED.format('a')}\r\n\r\n\r\n".encode() * 5000), *MALFORMED),
    "M018-headless": Case(framed(f"--{BOUNDARY}\r\n\r\n\r\n".encode() * 5000), *MALFORMED),
    "M019": Case(named("Content-Type: image/jpeg"), *MALFORMED),
    "M020": Case(named("Content-Disposition: form-data"), *MALFORMED),
    "M022": Case(upload(file(PHOTO), file(PHOTO)), *MALFORMED),
    "M023": Case(upload(file(PHOTO, "upload")), *MALFORMED),
    "M024": Case(upload(), *MALFORMED),
    "M026": Case(upload(file(PHOTO), text("password", SLOT_PASSWORD), password=None), *NOT_LET_IN),
    "M027": Case(upload(file(PHOTO), password="x" * MIB), *MALFORMED),
    "M028": Case(upload(file(b"x", "password", "x"), file(PHOTO), password=None), *MALFORMED),
    **{
        f"M030-{name}": Case(charset(name), 200)
        for name in ("zlib_codec", "base64", "hex", "rot13", "mbcs", "undefined")
    },
    "M031": Case(charset("punycode", "a" * 400_000), *MALFORMED),
    **{f"M032-{name}": Case(charset(name), 200) for name in ("utf-7", "unicode_escape", "utf-16", "idna")},
    "M034": Case(upload(Part((NAMED.format("survey1"), "Content-Length: 3"), b"four"), file(PHOTO)), 200),
    "M035": Case(upload(file(encode([file(PHOTO)], "CC")[1], content_type="multipart/mixed; boundary=CC")), 415),
    "M036": Case(upload(file(PHOTO + b"\r\n--BBx")), *MALFORMED),
    "M038": Case(typed("application/octet-stream", PHOTO), *MALFORMED),
    "M039": Case(typed("application/x-www-form-urlencoded", b"password=pw"), *MALFORMED),
    "M042": Case(upload(file(LARGE_FILE + b"x"), path=f"/api/ingest/{SMALL_SLOT}"), 413, "upload-too-large"),
    "I025": Case(upload(file(LARGE_FILE), path=f"/api/ingest/{SMALL_SLOT}"), 200),
    "M046": Case(upload(*(text(f"survey{number}", "yes") for number in range(25)), file(PHOTO)), 200),
    "M047-garbage": Case(upload(text("hash", "garbage"), file(PHOTO)), 200),
    "M047-long": Case(upload(text("hash", "0" * 41), file(PHOTO)), 200),
    "M047-booth": Case(upload(*(text(*each) for each in TEXTS.items() if each[0] != "password"), file(PHOTO)), 200),
    "M048-path": Case(upload(text("profile", "..\\..\\x"), file(PHOTO)), 200),
    "M048-long": Case(upload(text("profile", "x" * 5000), file(PHOTO)), 200),
    "M048-controls": Case(upload(text("status", "\x01\x1b]0;x\x07\r\n"), file(PHOTO)), 200),
    "M050": Case(upload(text("password", SLOT_PASSWORD), file(PHOTO), password="wrong"), *MALFORMED),
    "M051": Case(
        request(
            "POST", f"/api/ingest/{CLOSED_SLOT}", "Expect: 100-continue", f"Content-Type: {TYPE}", "Content-Length: 9"
        ),
        404,
        "slot-disabled",
    ),
    "K018": Case(upload(file(PHOTO), headers=("X-Content-SHA256: " + "0" * 64,)), 200),
    "H022": Case(upload(file(PHOTO), headers=("Content-Encoding: gzip",)), 415, "unsupported-media-type"),
}
NAMES = {
    "F001": "../../../etc/passwd",
    "F003": "/etc/cron.d/x",
    "F007-quoted": "a%0d%0aSet-Cookie: x=1.jpg",
    "F011": "photo.jpg.php",
    "F012": "photo.png",
    "F013-device": "CON",
    "F013-device-with-ending": "aux.jpg",
    "F013-dots": "...",
    "F013-spaces": " a ",
    "F015": "=cmd|'/C calc'!A0.jpg",
}
BROKEN_NAMES = {
    "F004": Case(filename("a.jpg\0.php"), *MALFORMED),
    "F005": Case(filename("a" * 10_000 + ".jpg"), *MALFORMED),
    "F007": Case(filename("a\r\nSet-Cookie: x=1.jpg"), *MALFORMED),
    "F008": Case(named(NAMED.format("file") + "; filename*=UTF-8''%e2%80%aeGPJ.exe"), 200),
    "F009": Case(filename(""), *MALFORMED),
}


@pytest.mark.parametrize("name", [*MULTIPART, *BROKEN_NAMES])
async def test_an_odd_upload_is_taken_or_refused_and_leaves_nothing(door, name):
    await door.check_upload((MULTIPART | BROKEN_NAMES)[name])


@pytest.mark.parametrize("name", NAMES)
async def test_a_clients_file_name_goes_nowhere(door, name):
    answer = await door.check_upload(Case(filename(NAMES[name]), 200))
    shown = await door.send(request("GET", f"/public/results/{answer.headers['x-job-id']}?download=1"))
    assert shown.headers["content-disposition"].startswith("attachment; filename=")
    for place in (answer.headers, shown.headers, door.stored(), door.said()):
        assert NAMES[name] not in str(place)
