import pytest
from hypothesis import given
from hypothesis import strategies as st

from photochanger.adapters.storage.parts import regroup
from tests.support.streams import stream


async def some(chunks: list[bytes]):
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize(
    ("chunks", "parts"),
    [
        ([], []),
        ([b""], []),
        ([b"a"], [b"a"]),
        ([b"abc"], [b"abc"]),
        ([b"abcd"], [b"abc", b"d"]),
        ([b"a", b"", b"b", b"c"], [b"abc"]),
        ([b"ab", b"cdefgh", b"i"], [b"abc", b"def", b"ghi"]),
        ([b"abcdefg"], [b"abc", b"def", b"g"]),
    ],
)
async def test_parts_have_the_size_asked_for(chunks: list[bytes], parts: list[bytes]) -> None:
    assert [part async for part in regroup(some(chunks), 3)] == parts


@given(chunks=st.lists(st.binary(max_size=40)), size=st.integers(1, 30))
async def test_any_chunks_come_out_as_the_same_bytes(chunks: list[bytes], size: int) -> None:
    parts = [part async for part in regroup(some(chunks), size)]
    assert b"".join(parts) == b"".join(chunks)
    assert all(len(part) == size for part in parts[:-1])
    assert all(0 < len(part) <= size for part in parts[-1:])


async def test_a_part_is_given_as_soon_as_it_is_full() -> None:
    taken = 0

    async def counted():
        nonlocal taken
        async for chunk in stream(bytes(100), 10):
            taken += 10
            yield chunk

    await anext(regroup(counted(), 30))
    assert taken == 30
