"""Redaction sees what anybody sends: it must take time in proportion to it."""

from time import process_time

import pytest

from photochanger.web.redact import redact

ALPHABETS = [
    "/",
    "a/",
    "/public/",
    "/public/store/",
    "//r/",
    "a",
    "://",
    "a://",
    "?",
    "/?",
    "@",
    "://a",
    "Bearer ",
    " /",
    "a?/",
]


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_64_kib_of_anything_are_redacted_at_once(alphabet):
    text = alphabet * (65_536 // len(alphabet))
    began = process_time()
    redact(text)
    assert process_time() - began < 0.5


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("GET /api/ingest/slot-001?key=hunter2 HTTP/1.1", "hunter2"),
        ("postgresql://anna:hunter2@db/photos", "hunter2"),
        ("see https://photos.example/r/link-token/ref-1?x=1", "link-token"),
        ("/r/link-token/ref-1", "link-token"),
        ("//public//store//token-1", "token-1"),
        ("https://photos.example/public/inputs/token-1", "token-1"),
        ("Authorization: Bearer abc.def", "abc.def"),
    ],
)
def test_a_secret_is_not_in_what_is_left(text, hidden):
    assert hidden not in redact(text)


def test_what_is_no_secret_stays():
    text = "what? 3/4 of slot-001 at /public/slots/slot-001"
    assert redact(text) == text
