import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from photochanger.core.errors import Problem
from photochanger.core.limits import KIB, MIB
from photochanger.features.ingest.multipart import UploadReader
from tests.support import booth
from tests.support.multipart import BOUNDARY, Part, encode, file, text
from tests.support.streams import noise, read_all, stream

PHOTO = b"\xff\xd8\xff\xe0" + noise(10 * KIB)
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
DISPOSITION = 'Content-Disposition: form-data; name="{}"'
SAMPLES = Path(__file__).parents[3] / "shared" / "samples"


async def read(content_type: str | None, chunks: AsyncIterator[bytes]) -> tuple[dict[str, str], bytes, dict[str, str]]:
    reader = UploadReader(content_type, chunks)
    await reader.read_fields()
    content = await read_all(reader.file())
    return reader.fields, content, reader.late_fields


async def read_parts(*parts: Part, size: int = 64 * KIB) -> tuple[dict[str, str], bytes, dict[str, str]]:
    content_type, body = encode(parts)
    return await read(content_type, stream(body, size))


async def refusal(content_type: str | None, body: bytes, size: int = 64 * KIB) -> str:
    with pytest.raises(Problem) as raised:
        await read(content_type, stream(body, size))
    assert raised.value.code == "malformed-upload"
    return raised.value.detail


async def refusal_of(*parts: Part) -> str:
    """What both the whole body and the body byte by byte are refused with."""
    content_type, body = encode(parts)
    detail = await refusal(content_type, body)
    assert await refusal(content_type, body, 1) == detail
    return detail


def headed(*headers: str | bytes, body: bytes = b"x") -> Part:
    return Part(headers, body)


# The booth


@pytest.mark.parametrize("size", [1, 7, 1460, 64 * KIB])
async def test_the_booths_request_is_read_as_it_was_captured(size: int) -> None:
    request = booth.booth_request(PHOTO)
    fields, content, late = await read(request.content_type, stream(request.body, size))
    assert fields == booth.TEXTS | {"password": "123456"}
    assert list(fields)[-1] == "password"
    assert content == PHOTO
    assert late == {}


def test_the_booths_request_has_the_captured_head() -> None:
    request = booth.booth_request(PHOTO, host="booth.example")
    assert request.head == (
        b"POST /api/ingest/slot-001?session=42 HTTP/1.1\r\n"
        b"host: booth.example\r\n"
        b"content-type: multipart/form-data; boundary=------------090306000104030805010400\r\n"
        b"content-length: %d\r\n"
        b"expect: 100-continue\r\n\r\n"
    ) % len(request.body)
    assert request.body.startswith(
        b'--------------090306000104030805010400\r\nContent-Disposition: form-data; name="time"\r\n\r\n1758217512\r\n'
    )


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples lie outside the repository")
async def test_the_samples_come_through_unchanged() -> None:
    for sample in SAMPLES.iterdir():
        request = booth.booth_request(sample.read_bytes())
        _, content, _ = await read(request.content_type, stream(request.body))
        assert content == sample.read_bytes()


async def test_25_survey_and_qr_parts_are_read() -> None:
    texts = {f"survey{number}": "yes" for number in range(23)} | {"qr1": "a", "qr2": "b"}
    fields, _, _ = await read_parts(*(text(name, value) for name, value in texts.items()), file(PHOTO))
    assert fields == texts


# The Content-Type


@pytest.mark.parametrize(
    "boundary",
    ["BB", '"BB"', "-" * 70, "----=_Part_1.2:3", "'()+_,-./:=?", '"a b"', "B;", "BB; charset=utf-8", 'BB; x="a;b"'],
)
async def test_a_legal_boundary_is_taken(boundary: str) -> None:
    plain = boundary.partition(";")[0].strip('"')
    _, body = encode([file(PHOTO)], plain)
    _, content, _ = await read(f"multipart/form-data; boundary={boundary}", stream(body))
    assert content == PHOTO


@pytest.mark.parametrize("content_type", ["Multipart/Form-Data; Boundary=BB", "multipart/form-data ;boundary = BB "])
async def test_case_and_spaces_of_the_content_type_do_not_matter(content_type: str) -> None:
    _, content, _ = await read(content_type, stream(encode([file(PHOTO)])[1]))
    assert content == PHOTO


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "image/jpeg",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=BB",
        "multipart/form-data",
        "multipart/form-data; charset=utf-8",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=" + "b" * 71,
        'multipart/form-data; boundary="a\nb"',
        'multipart/form-data; boundary="a\rb"',
        'multipart/form-data; boundary="a\0b"',
        "multipart/form-data; boundary=a\0b",
        "multipart/form-data; boundary=caf\xe9",
        'multipart/form-data; boundary="BB "',
        "multipart/form-data; boundary=a;b",
        "multipart/form-data; boundary=a b",
        "multipart/form-data; boundary=a@b",
        r'multipart/form-data; boundary="a\b"',
        'multipart/form-data; boundary="BB',
        "multipart/form-data; boundary=BB; boundary=CC",
        "multipart/form-data boundary=BB",
        'multipart/form-data; x*="; boundary=BB',
    ],
)
def test_a_content_type_that_is_no_upload_is_refused(content_type: str | None) -> None:
    with pytest.raises(Problem) as raised:
        UploadReader(content_type, stream(b""))
    assert raised.value.code == "malformed-upload"


# Framing


async def test_a_preamble_is_skipped() -> None:
    _, body = encode([file(PHOTO)])
    for preamble in (b"\r\n", b"x\r\n", b"x--BB\r\n", b"\r\r\n", b"x" * (64 * KIB - 2) + b"\r\n"):
        for size in (1000, 64 * KIB):
            _, content, _ = await read(TYPE, stream(preamble + body, size))
            assert content == PHOTO


@pytest.mark.parametrize("size", [999, 64 * KIB])
async def test_a_boundary_never_found_is_refused_after_64_kib(size: int) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        _, body = encode([file(noise(MIB))], "CC")
        async for chunk in stream(body, size):
            taken += len(chunk)
            yield chunk

    with pytest.raises(Problem) as raised:
        await read(TYPE, endless())
    assert raised.value.code == "malformed-upload"
    assert taken <= 64 * KIB + max(size, KIB)


async def test_a_boundary_behind_65_kib_is_refused() -> None:
    assert "Begin" in await refusal(TYPE, b"x" * 65 * KIB + b"\r\n" + encode([file(PHOTO)])[1], 200 * KIB)


async def test_an_upload_cut_anywhere_before_the_final_boundarys_end_is_refused() -> None:
    content_type, body = encode([text("password", "pw"), file(b"photo")])
    whole = len(body) - 2  # the CRLF behind the final boundary may be missing
    for end in range(whole):
        for size in (1, 64 * KIB):
            assert await refusal(content_type, body[:end], size)
    assert (await read(content_type, stream(body[:whole])))[1] == b"photo"


@pytest.mark.parametrize("last", [1, 2, 3, 4, 5, 6, 7, 8])
async def test_the_last_bytes_may_come_in_a_segment_of_their_own(last: int) -> None:
    content_type, body = encode([file(PHOTO)])

    async def cut() -> AsyncIterator[bytes]:
        yield body[:-last]
        yield b""
        yield body[-last:]

    assert (await read(content_type, cut()))[1] == PHOTO


async def test_an_upload_of_single_bytes_is_read() -> None:
    assert (await read_parts(text("password", "pw"), file(PHOTO), size=1))[1] == PHOTO


async def test_nothing_is_read_behind_the_final_boundary() -> None:
    content_type, body = encode([file(PHOTO)])
    asked = False

    async def with_epilogue() -> AsyncIterator[bytes]:
        nonlocal asked
        yield body
        asked = True
        while True:
            yield bytes(MIB)

    assert (await read(content_type, with_epilogue()))[1] == PHOTO
    assert not asked


async def test_an_epilogue_is_ignored() -> None:
    content_type, body = encode([file(PHOTO)])
    assert (await read(content_type, stream(body + encode([file(b"second")])[1], 1 * MIB)))[1] == PHOTO


@pytest.mark.parametrize("follows", [b"x", b"\n", b" \r\n", b"-x", b"\rx", b"\0\0"])
async def test_file_bytes_that_look_like_a_boundary_are_refused(follows: bytes) -> None:
    for size in (1, 64 * KIB):
        assert "boundary" in await refusal(*encode([file(b"a\r\n--BB" + follows + b"more")]), size)


@pytest.mark.parametrize(
    "data", [b"--BB\r\n", b"\n--BB--\r\n", b"\r\n--B", b"\r\n-BB", b"\r\r\n\r\n--\r\n", b"\r" * 99]
)
async def test_file_bytes_that_are_almost_a_boundary_are_bytes(data: bytes) -> None:
    for size in (1, 2, 64 * KIB):
        assert (await read_parts(file(data), size=size))[1] == data


async def test_a_nested_multipart_in_the_file_is_bytes() -> None:
    _, nested = encode([file(PHOTO)], "nested")
    part = file(nested, content_type="multipart/mixed; boundary=nested")
    assert (await read_parts(part))[1] == nested


async def test_an_empty_file_is_no_chunk_at_all() -> None:
    content_type, body = encode([text("password", "pw"), file(b"")])
    reader = UploadReader(content_type, stream(body))
    await reader.read_fields()
    assert [chunk async for chunk in reader.file()] == []


# Which part is the file


@pytest.mark.parametrize("name", ["fileToUpload", "file", "photo", "image"])
async def test_each_of_the_four_names_is_the_file_with_or_without_filename(name: str) -> None:
    assert (await read_parts(file(PHOTO, name)))[1] == PHOTO
    assert (await read_parts(text(name, PHOTO)))[1] == PHOTO


@pytest.mark.parametrize(
    "disposition",
    [
        "form-data; name=fileToUpload",
        "form-data; name=fileToUpload; filename=IMG.jpg; filename*=utf-8''IMG.jpg",
        "FORM-DATA; Name=fileToUpload ; FileName=a.jpg;",
        'form-data; filename="a; name=password"; name="fileToUpload"',
        'form-data;name="fileToUpload";filename="a.jpg"',
        'form-data; name="fileToUpload"; filename="фото.jpg"',
        r'form-data; name="fileToUpload"; filename="a\"b.jpg"',
    ],
)
async def test_what_senders_write_into_the_disposition_is_understood(disposition: str) -> None:
    assert (await read_parts(headed(f"Content-Disposition: {disposition}", body=PHOTO)))[1] == PHOTO


@pytest.mark.parametrize(
    "filename",
    [
        "../../../etc/passwd",
        "/etc/cron.d/x",
        "a%0d%0aSet-Cookie: x=1.jpg",
        "photo.jpg.php",
        "photo.png",
        "CON",
        "aux.jpg",
        "...",
        " a ",
        "=cmd|'/C calc'!A0.jpg",
        r"C:\Users\Acer\IMG.JPG",
        "'",
    ],
)
async def test_a_clients_file_name_is_kept_nowhere(filename: str) -> None:
    content_type, body = encode([text("password", "pw"), file(PHOTO, filename=filename)])
    reader = UploadReader(content_type, stream(body))
    await reader.read_fields()
    assert await read_all(reader.file()) == PHOTO
    assert filename not in (reader.fields | reader.late_fields).values()
    assert reader.fields == {"password": "pw"}


async def test_an_extended_file_name_is_one() -> None:
    extended = DISPOSITION.format("fileToUpload") + "; filename*=UTF-8''%e2%80%aeGPJ.exe"
    assert (await read_parts(headed(extended, body=PHOTO)))[1] == PHOTO


@pytest.mark.parametrize("filename", ['filename=""', "filename=", "filename*=UTF-8''", "filename=\"\"; filename*=U''x"])
async def test_an_empty_file_name_is_refused(filename: str) -> None:
    part = headed(f"{DISPOSITION.format('fileToUpload')}; {filename}", body=PHOTO)
    assert "empty filename" in await refusal_of(part)


@pytest.mark.parametrize(
    "parameter",
    ['filename="x"', "filename=x", "filename*=UTF-8''x", 'FILENAME="x"', 'filename*0="x"', 'filename*0*="x"'],
)
@pytest.mark.parametrize("name", ["password", "upload"])
async def test_a_file_name_on_another_part_is_refused(name: str, parameter: str) -> None:
    part = headed(f"{DISPOSITION.format(name)}; {parameter}")
    assert "filename" in await refusal_of(part, file(PHOTO))
    assert "filename" in await refusal_of(file(PHOTO), part)


async def test_a_second_file_is_refused_once_its_headers_are_read() -> None:
    for second in ("fileToUpload", "image"):
        assert "one file" in await refusal_of(file(PHOTO), text("ref", "abcd"), file(PHOTO, second))


async def test_an_upload_without_a_file_is_refused() -> None:
    assert "fileToUpload" in await refusal_of(text("password", "pw"))
    assert "fileToUpload" in await refusal_of(text("FILETOUPLOAD", "x"))
    assert "fileToUpload" in await refusal_of()


# Part headers


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("Content-Type: text/plain",),
        ("Content-Disposition: form-data",),
        ("Content-Disposition: form-data; name=",),
        ('Content-Disposition: form-data; name=""',),
        ("Content-Disposition: form-data; filename=x",),
        ("Content-Disposition: form-data; name*=utf-8''fileToUpload",),
        ("Content-Disposition: attachment; name=fileToUpload",),
        ("Content-Disposition: form-data; name=fileToUpload; name=password",),
        ("Content-Disposition: form-data; name=password; Name=password",),
        ("Content-Disposition: form-data; name=fileToUpload; filename=a; filename=b",),
        (DISPOSITION.format("fileToUpload"), DISPOSITION.format("password")),
        ('Content-Disposition: form-data; name="fileToUpload',),
        ('Content-Disposition: form-data; name="fileToUpload"; filename="a"b"',),
        ('Content-Disposition: form-data; x*="; name=fileToUpload',),
        ("Content-Disposition: form-data name=fileToUpload",),
        ("no colon", DISPOSITION.format("fileToUpload")),
        (" folded", DISPOSITION.format("fileToUpload")),
        (b'Content-Disposition: form-data; name="fileToUpload"; filename="\xff.jpg"',),
        ('Content-Disposition: form-data; name="fileToUpload"; filename="a.jpg\0.php"',),
        ('Content-Disposition: form-data; name="fileToUpload"; filename="a\r\nSet-Cookie: x=1.jpg"',),
        (DISPOSITION.format("fileToUpload") + "\nContent-Type: image/jpeg",),
        (DISPOSITION.format("fileToUpload") + "\n", "Content-Type: image/jpeg"),
        (DISPOSITION.format("fileToUpload") + "\rContent-Type: image/jpeg",),
        ("\n" + DISPOSITION.format("fileToUpload"),),
    ],
)
async def test_malformed_part_headers_are_refused(headers: tuple[str | bytes, ...]) -> None:
    assert await refusal_of(headed(*headers, body=PHOTO))


async def test_bare_line_feeds_are_refused() -> None:
    content_type, body = encode([text("password", "pw"), file(b"photo")])
    for size in (1, 64 * KIB):
        assert await refusal(content_type, body.replace(b"\r\n", b"\n"), size)
        assert await refusal(content_type, body.replace(b'"password"\r\n', b'"password"\n'), size)
        assert await refusal(content_type, body.replace(b"--BB\r\n", b"--BB\n"), size)


@pytest.mark.parametrize("size", [1, 64 * KIB])
async def test_a_header_line_may_have_4_kib_and_no_byte_more(size: int) -> None:
    def padded(length: int) -> Part:
        start = "X-Padding: "
        return headed(DISPOSITION.format("fileToUpload"), start + "x" * (length - len(start)), body=PHOTO)

    assert (await read_parts(padded(4 * KIB), size=size))[1] == PHOTO
    for length in (4 * KIB + 1, 4 * KIB + 2, 5000):
        assert "4 KiB" in await refusal(*encode([padded(length)]), size)


async def test_a_part_may_have_8_headers_and_not_9() -> None:
    extra = [f"X-{number}: y" for number in range(8)]
    assert (await read_parts(headed(DISPOSITION.format("file"), *extra[:7], body=PHOTO)))[1] == PHOTO
    assert "8 headers" in await refusal_of(headed(DISPOSITION.format("file"), *extra, body=PHOTO))


@pytest.mark.parametrize("encoding", ["7bit", "8bit", "binary", "Binary", " 8BIT "])
async def test_an_encoding_that_changes_nothing_is_taken(encoding: str) -> None:
    header = f"Content-Transfer-Encoding: {encoding}"
    parts = headed(DISPOSITION.format("a"), header), headed(DISPOSITION.format("file"), header, body=PHOTO)
    assert await read_parts(*parts) == ({"a": "x"}, PHOTO, {})


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "gzip", ""])
@pytest.mark.parametrize("name", ["password", "fileToUpload"])
async def test_any_other_encoding_is_refused(name: str, encoding: str) -> None:
    header = f"content-transfer-encoding: {encoding}"
    assert "Encoding" in await refusal_of(headed(DISPOSITION.format(name), header), file(PHOTO))


@pytest.mark.parametrize("length", ["3", "0", "99999", "9" * 4000])
async def test_a_parts_own_length_is_not_believed(length: str) -> None:
    header = f"Content-Length: {length}"
    parts = (
        headed(DISPOSITION.format("a"), header, body=b"1234"),
        headed(DISPOSITION.format("file"), header, body=PHOTO),
    )
    assert await read_parts(*parts) == ({"a": "1234"}, PHOTO, {})


# Text parts


@pytest.mark.parametrize(
    "charset",
    [
        "zlib_codec",
        "base64",
        "hex",
        "rot13",
        "mbcs",
        "undefined",
        "punycode",
        "utf-7",
        "unicode_escape",
        "utf-16",
        "idna",
    ],
)
async def test_the_charset_a_client_names_is_not_used(charset: str) -> None:
    part = headed(DISPOSITION.format("survey1"), f"Content-Type: text/plain; charset={charset}", body="+AGE-ж".encode())
    assert (await read_parts(part, file(PHOTO)))[0] == {"survey1": "+AGE-ж"}


@pytest.mark.parametrize("value", [b"\xff", b"caf\xe9", b"\xed\xa0\x80", b"\xc3", b"a\0b", b"\0"])
async def test_text_that_is_no_utf_8_or_holds_nul_is_refused(value: bytes) -> None:
    assert "UTF-8" in await refusal_of(text("survey1", value), file(PHOTO))
    assert "UTF-8" in await refusal_of(file(PHOTO), text("survey1", value))


async def test_text_may_come_in_any_pieces_even_within_a_character() -> None:
    for size in (1, 2, 3):
        assert (await read_parts(text("album", "фото 📷"), text("empty", ""), file(PHOTO), size=size))[0] == {
            "album": "фото 📷",
            "empty": "",
        }


async def test_control_characters_and_long_paths_are_text() -> None:
    texts = {"profile": "..\\..\\x", "status": "x" * 5000, "name": "\x01\x1b\r\n"}
    assert (await read_parts(*(text(name, value) for name, value in texts.items()), file(PHOTO)))[0] == texts


async def test_text_behind_the_file_is_kept_apart() -> None:
    fields, content, late = await read_parts(text("a", "1"), file(PHOTO), text("album", "x"), text("a", "2"))
    assert (fields, content, late) == ({"a": "1"}, PHOTO, {"album": "x", "a": "2"})


@pytest.mark.parametrize("name", ["password", "album", "ref", "style"])
async def test_what_counts_may_come_only_once(name: str) -> None:
    first, second = text(name, "wrong"), text(name, "right")
    for parts in ([first, second, file(PHOTO)], [first, file(PHOTO), second], [file(PHOTO), first, second]):
        assert "at most once" in await refusal_of(*parts)


async def test_of_other_names_the_last_counts() -> None:
    assert (await read_parts(text("qr1", "a"), text("qr1", "b"), file(PHOTO)))[0] == {"qr1": "b"}


async def test_64_text_parts_are_taken_and_not_65() -> None:
    texts = [text(f"t{number}", "x") for number in range(65)]
    assert len((await read_parts(*texts[:64], file(PHOTO)))[0]) == 64
    assert "64 text parts" in await refusal_of(*texts, file(PHOTO))
    assert "64 text parts" in await refusal_of(*texts[:64], file(PHOTO), texts[64])
    assert "64 text parts" in await refusal_of(*[texts[0]] * 65, file(PHOTO))


async def test_a_text_part_may_have_8_kib_and_all_together_64() -> None:
    full = b"x" * 8 * KIB
    assert (await read_parts(text("a", full), file(PHOTO)))[0] == {"a": full.decode()}
    assert "8 KiB" in await refusal_of(text("a", full + b"x"), file(PHOTO))
    eight = [text(f"t{number}", full) for number in range(8)]
    assert len((await read_parts(*eight, file(PHOTO)))[0]) == 8
    assert "64 KiB" in await refusal_of(*eight, text("more", "x"), file(PHOTO))
    assert "64 KiB" in await refusal_of(*eight, file(PHOTO), text("more", "x"))


# What is refused is refused early


async def endless(start: bytes, repeated: bytes, sent: list[int]) -> AsyncIterator[bytes]:
    yield start
    while sum(sent) < 4 * MIB:
        sent.append(len(repeated))
        yield repeated


@pytest.mark.parametrize(
    ("start", "repeated", "most"),
    [
        (b"", b"x" * KIB, 66 * KIB),
        (b"", b"\r\n--B", 66 * KIB),
        (b"--BB\r\n", b"X" * KIB, 6 * KIB),
        (b"--BB\r\n", b"X: y\r\n", 100),
        (b"--BB\r\n", b"Content-Length: 1\r\n", 200),
        (b'--BB\r\nContent-Disposition: form-data; name="password"\r\n', b" x\r\n", 9 * KIB),
        (b'--BB\r\nContent-Disposition: form-data; name="password"\r\n\r\n', b"x" * KIB, 10 * KIB),
        (b"", b"--BB\r\n\r\n\r\n", 100),
        (b"", b'--BB\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n', 66 * 60),
        (b"--BB--\r\n", b"x" * KIB, 0),
        (b'--BB\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--BB--\r\n', b"x" * KIB, 0),
    ],
)
async def test_an_endless_upload_is_refused_within_its_limits(start: bytes, repeated: bytes, most: int) -> None:
    sent: list[int] = []
    with pytest.raises(Problem) as raised:
        await read(TYPE, endless(start, repeated, sent))
    assert raised.value.code == "malformed-upload"
    assert sum(sent) <= most


async def test_the_fields_are_known_before_the_files_first_byte_is_asked_for() -> None:
    content_type, body = encode([text("password", "pw"), file(PHOTO)])
    start = body.index(b"\r\n\r\n\xff\xd8") + 4
    asked = False

    async def two() -> AsyncIterator[bytes]:
        nonlocal asked
        yield body[:start]
        asked = True
        yield body[start:]

    reader = UploadReader(content_type, two())
    await reader.read_fields()
    assert reader.fields == {"password": "pw"}
    assert not asked
    assert await read_all(reader.file()) == PHOTO


async def test_a_large_file_is_never_held() -> None:
    chunk = noise(64 * KIB)
    _, body = encode([file(b"")])
    cut = body.index(b"\r\n\r\n") + 4

    async def large() -> AsyncIterator[bytes]:
        yield body[:cut]
        for _ in range(512):
            yield chunk
        yield body[cut:]

    reader = UploadReader(TYPE, large())
    await reader.read_fields()
    tracemalloc.start()
    try:
        size = 0
        async for piece in reader.file():
            size += len(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == 512 * len(chunk)
    assert peak < 4 * len(chunk)


async def test_what_the_connection_raises_goes_through() -> None:
    class GoneError(Exception):
        pass

    async def broken(data: bytes) -> AsyncIterator[bytes]:
        yield data
        raise GoneError

    _, body = encode([file(PHOTO)])
    with pytest.raises(GoneError):
        await read(TYPE, broken(body[:10]))
    with pytest.raises(GoneError):
        await read(TYPE, broken(body[:1000]))


async def test_no_refusal_repeats_what_the_client_sent() -> None:
    secret = "s3cr3t-and-private"
    for parts in (
        [text(secret, "x"), headed(f"Content-Disposition: form-data; name={secret}; filename={secret}")],
        [headed(f"{secret}: {secret}")],
        [text("password", secret), text("password", secret)],
        [headed(f"{DISPOSITION.format('a')}", f"Content-Transfer-Encoding: {secret}")],
    ):
        assert secret not in await refusal_of(*parts)
