"""The fuzz targets on a few thousand damaged inputs; `--fuzz-seconds N` goes on for so long, `python -m tests.fuzz`
looks for new ways by itself.
"""

import random
import time

import pytest

from tests.fuzz.targets import TARGETS, seeds

PIECES = (
    b"\r\n",
    b"\r",
    b"\n",
    b"--BB",
    b"\r\n--BB",
    b"--BB--\r\n",
    b'"',
    b";",
    b":",
    b"\0",
    b"\xff",
    b"ftyp",
    b"heic",
)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_inputs_break_no_promise(name, pytestconfig):
    seconds = pytestconfig.getoption("fuzz_seconds")
    began, seed, good = time.monotonic(), 0, seeds(name)
    while seed < 2000 or time.monotonic() - began < seconds:
        data = damaged(good, random.Random(seed))
        try:
            TARGETS[name](data)
        except BaseException as error:
            error.add_note(f"seed {seed}: {data!r}")
            raise
        seed += 1


def damaged(good: list[bytes], dice: random.Random) -> bytes:
    data = bytearray(dice.choice(good))
    for _ in range(dice.randint(0, 4)):
        at, length = dice.randint(0, len(data)), dice.randint(1, 8)
        match dice.randrange(5):
            case 0 if at < len(data):
                data[at] ^= 1 << dice.randrange(8)
            case 1:
                data[at:at] = dice.choice(PIECES)
            case 2:
                del data[at : at + length]
            case 3:
                other = dice.choice(good)
                data[at:] = other[dice.randint(0, len(other)) :]
            case _:
                data[at : at + length] = data[at : at + length] * 2
    return bytes(data)
