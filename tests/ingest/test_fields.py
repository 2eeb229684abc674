import pytest

from photochanger.core.errors import Problem
from photochanger.features.ingest.fields import IngestFields, read_fields, read_idempotency_key, read_password


def refused(texts: dict[str, str], query: dict[str, str] | None = None, names: tuple[str, ...] = ()) -> str:
    with pytest.raises(Problem) as raised:
        read_fields(texts, query or {}, names)
    assert raised.value.code == "malformed-upload"
    return raised.value.detail


# The password


def test_the_header_counts_before_the_query() -> None:
    assert read_password({"x-slot-password": "a"}, {"key": "b"}) == "a"
    assert read_password({}, {"key": "b"}) == "b"


def test_without_header_and_query_the_text_part_is_left_to_say() -> None:
    assert read_password({"accept": "image/*"}, {"session": "42"}) is None


def test_an_empty_password_is_one() -> None:
    assert read_password({"x-slot-password": ""}, {"key": "b"}) == ""
    assert read_password({}, {"key": ""}) == ""


@pytest.mark.parametrize("password", ["pw", "пароль", "caf\u00e9", "\u00ff\u00fe"])
def test_a_password_in_a_header_is_utf_8(password: str) -> None:
    as_servers_read_it = password.encode().decode("latin-1")
    assert read_password({"x-slot-password": as_servers_read_it}, {}) == password


@pytest.mark.parametrize("password", ["caf\u00e9", "пароль"])
def test_a_header_that_is_no_utf_8_is_taken_as_it_is(password: str) -> None:
    assert read_password({"x-slot-password": password}, {}) == password


# The Idempotency-Key


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("abc", "abc"),
        ('"abc"', "abc"),
        (" abc\t", "abc"),
        ("!~", "!~"),
        ("a,b", "a,b"),
        ('a"b', 'a"b'),
        ('"a', '"a'),
        ("k" * 255, "k" * 255),
        ('"' + "k" * 255 + '"', "k" * 255),
    ],
)
def test_a_key_is_read_without_its_quotes(value: str, key: str) -> None:
    assert read_idempotency_key([value]) == key


def test_no_key_is_none() -> None:
    assert read_idempotency_key([]) is None


@pytest.mark.parametrize(
    "values", [[""], [" "], ['""'], ['"'], ["k" * 256], ["a b"], ["a, b"], ["a\0"], ["\u00e9"], ["a\x7f"], ["a", "a"]]
)
def test_a_wrong_key_is_refused(values: list[str]) -> None:
    with pytest.raises(Problem) as raised:
        read_idempotency_key(values)
    assert raised.value.code == "idempotency-key-invalid"


# The fields


def test_without_fields_there_is_nothing() -> None:
    assert read_fields({}, {}, []) == IngestFields(album=None, ref=None, style=None, sent_at=None, variables={})


def test_the_senders_time_is_read_where_it_is_one_and_else_left() -> None:
    assert read_fields({"time": "1758217512"}, {}, []).sent_at == 1758217512
    assert read_fields({}, {"time": "1758217512"}, []).sent_at is None
    for other in ("", "-1", "12:30", "1" * 13, "1e9", "\u0661", "2026-11-21"):
        assert read_fields({"time": other}, {}, []).sent_at is None


def test_an_album_is_trimmed_and_read_from_text_alone() -> None:
    assert read_fields({"album": "  Our wedding \r\n"}, {}, []).album == "Our wedding"
    assert read_fields({"album": "ж" * 200}, {}, []).album == "ж" * 200
    assert read_fields({}, {"album": "x"}, []).album is None


@pytest.mark.parametrize("album", ["", "  ", "x" * 201])
def test_an_album_that_is_empty_or_too_long_is_refused(album: str) -> None:
    assert "album" in refused({"album": album})


@pytest.mark.parametrize("ref", ["abcd", "A-b_9", "r" * 64])
def test_a_ref_comes_by_text_or_query(ref: str) -> None:
    assert read_fields({"ref": ref}, {}, []).ref == ref
    assert read_fields({}, {"ref": ref}, []).ref == ref
    assert read_fields({"ref": ref}, {"ref": "other"}, []).ref == ref


@pytest.mark.parametrize("ref", ["", "abc", "r" * 65, "a b c", "abcé", "abcd\n", "../../x", "abc\0"])
def test_a_wrong_ref_is_refused(ref: str) -> None:
    assert "ref" in refused({"ref": ref})
    assert "ref" in refused({}, {"ref": ref})


def test_a_style_comes_by_text_or_query_and_may_be_unknown() -> None:
    assert read_fields({"style": "comic"}, {"style": "sketch"}, []).style == "comic"
    assert read_fields({}, {"style": "no such style"}, []).style == "no such style"
    assert read_fields({"style": ""}, {}, []).style is None


def test_a_style_longer_than_any_is_cut_and_stays_unknown() -> None:
    style = read_fields({"style": "s" * 8000}, {}, []).style
    assert style is not None
    assert 32 < len(style) <= 64


def test_survey_qr_and_declared_names_are_variables_and_all_others_are_dropped() -> None:
    texts = {"survey1": "a", "survey_type": "b", "qr1": "c", "qr2": "d", "guest": "e"}
    dropped = {"profile": r"C:\x", "name": "PC", "hash": "7b", "qr3": "x", "session": "42", "Survey1": "x"}
    assert read_fields(texts | dropped, {}, ["guest"]).variables == texts
    assert read_fields(dropped, texts, ["guest"]).variables == texts


def test_a_variable_in_text_wins_over_the_query() -> None:
    assert read_fields({"qr1": "text"}, {"qr1": "query", "qr2": "query"}, []).variables == {
        "qr1": "text",
        "qr2": "query",
    }


def test_a_password_is_never_a_variable() -> None:
    texts, query = {"password": "secret"}, {"key": "secret", "password": "secret"}
    assert read_fields(texts, query, ["password", "key"]).variables == {}


def test_a_variable_with_nul_is_refused() -> None:
    assert "NUL" in refused({}, {"survey1": "a\0b"})
