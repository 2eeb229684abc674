"""What holds for every upload, legal or not, and for every way the network may cut it."""

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from photochanger.core.errors import Problem
from photochanger.features.ingest.multipart import FILE_NAMES, UploadReader
from tests.support.multipart import BOUNDARY, Part, encode, file, text

TYPE, BODY = encode(
    [
        text("password", "pw"),
        Part(('Content-Disposition: form-data; name="album"', "Content-Type: text/plain; charset=utf-8"), b"\xd1\x84"),
        file(b"\xff\xd8\r\n--B\r\r\n--BC\n" * 3),
        text("survey1", "yes"),
    ]
)
TOKENS = [
    *(
        b"\r\n",
        b"\r",
        b"\n",
        b"--",
        b"-",
        b"--BB",
        b"\r\n--BB",
        b"\r\n--BB--",
        b"--BB\r\n",
        b"\r\n\r\n",
        b"x",
        b" ",
        b":",
    ),
    *(
        b"Content-Disposition: form-data; name=",
        b"; filename=",
        b"file",
        b"password",
        b'"',
        b"\\",
        b"\0",
        b"\xff",
        b";",
    ),
    *(b"Content-Length: 3\r\n", b"Content-Transfer-Encoding: base64\r\n", b"\r\n--BB\r\n"),
    b'--BB\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n',
    b'--BB\r\nContent-Disposition: form-data; name="file"\r\n\r\n',
]
cuts = st.lists(st.integers(0, 4096), max_size=12)
names = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True).filter(lambda name: name not in FILE_NAMES)
texts = st.dictionaries(names, st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30), max_size=6)
edits = st.lists(
    st.tuples(st.sampled_from(["flip", "delete", "insert", "truncate"]), st.integers(0, 4096), st.sampled_from(TOKENS)),
    min_size=1,
    max_size=4,
)
Outcome = tuple[dict[str, str], bytes, dict[str, str]] | None


async def split(body: bytes, at: list[int]) -> AsyncIterator[bytes]:
    edges = [0, *sorted(cut % (len(body) + 1) for cut in at), len(body)]
    for start, end in pairwise(edges):
        yield body[start:end]


async def outcome(body: bytes, at: list[int], content_type: str = TYPE) -> Outcome:
    """The parts, or None for `malformed-upload`. Whatever else is raised goes through and fails the test."""
    try:
        reader = UploadReader(content_type, split(body, at))
        await reader.read_fields()
        content = b"".join([chunk async for chunk in reader.file()])
    except Problem as problem:
        assert problem.code == "malformed-upload"  # noqa: PT017 – the only one there may be
        return None
    return reader.fields, content, reader.late_fields


def edit(body: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    for kind, place, token in changes:
        at = place % (len(body) + 1)
        before, after = body[:at], body[at:]
        match kind:
            case "flip":
                body = before + bytes([byte ^ (1 << place % 8) for byte in after[:1]]) + after[1:]
            case "delete":
                body = before + after[len(token) :]
            case "insert":
                body = before + token + after
            case _:
                body = before
    return body


@settings(max_examples=150, deadline=None)
@given(early=texts, late=texts, content=st.binary(max_size=300), at=cuts)
async def test_a_legal_upload_is_read_the_same_however_it_is_cut(
    early: dict[str, str], late: dict[str, str], content: bytes, at: list[int]
) -> None:
    late = {name: value for name, value in late.items() if name not in early}
    boundary = "b0undary-that-no-content-holds"
    parts = [*(text(*item) for item in early.items()), file(content), *(text(*item) for item in late.items())]
    content_type, body = encode(parts, boundary)
    assert await outcome(body, at, content_type) == (early, content, late)


@settings(max_examples=300, deadline=None)
@given(changes=edits, at=cuts)
async def test_a_damaged_upload_is_read_or_refused_the_same_however_it_is_cut(
    changes: list[tuple[str, int, bytes]], at: list[int]
) -> None:
    body = edit(BODY, changes)
    assert await outcome(body, at) == await outcome(body, [])


@settings(max_examples=300, deadline=None)
@given(tokens=st.lists(st.sampled_from(TOKENS), max_size=25), at=cuts)
async def test_any_bytes_are_read_or_refused_the_same_however_they_are_cut(tokens: list[bytes], at: list[int]) -> None:
    body = b"".join(tokens)
    whole = await outcome(body, [])
    assert await outcome(body, at) == whole
    assert await outcome(body, list(range(len(body)))) == whole


@settings(max_examples=150, deadline=None)
@given(cut=st.integers(0, len(BODY) - 3))
async def test_no_part_of_an_upload_is_taken_for_the_whole(cut: int) -> None:
    assert await outcome(BODY[:cut], []) is None
    assert await outcome(BODY[: len(BODY) - 2], []) is not None


@settings(max_examples=200, deadline=None)
@given(
    content_type=st.one_of(
        st.text(max_size=100),
        st.text(st.sampled_from(";=\" \\'*-/bB\t\0é"), max_size=40).map(
            lambda end: "multipart/form-data; boundary" + end
        ),
    )
)
async def test_any_content_type_is_taken_or_refused(content_type: str) -> None:
    await outcome(BODY, [], content_type)


class Measured:
    """Gives a body in pieces, and notes how much of it was asked for."""

    def __init__(self, body: bytes, at: list[int]) -> None:
        self.given = 0
        self._pieces = split(body, at)

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> bytes:
        piece = await anext(self._pieces)
        self.given += len(piece)
        return piece


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=2000), at=cuts)
async def test_no_more_is_kept_back_than_a_boundary_may_need(content: bytes, at: list[int]) -> None:
    content_type, body = encode([file(content)])
    start, end = body.index(b"\r\n\r\n") + 4, len(body) - len(f"\r\n--{BOUNDARY}--\r\n")
    chunks = Measured(body, at)
    reader = UploadReader(content_type, chunks)
    await reader.read_fields()
    passed, asked = 0, chunks.given
    async for piece in reader.file():
        if chunks.given > asked:  # a new piece was asked for: what was given before it must be out
            assert passed >= min(asked, end) - start - len(f"\r\n--{BOUNDARY}")
            asked = chunks.given
        passed += len(piece)
    assert passed == len(content)
