import pytest

from photochanger.adapters.imaging.heic import check_whole
from photochanger.adapters.imaging.results import Unreadable
from tests.support import pictures


def test_a_whole_heic_is_whole():
    check_whole(pictures.heic(256, 256))


def test_no_beginning_of_a_heic_is_whole():
    data = pictures.heic(256, 256)
    for end in range(0, len(data), 7):
        with pytest.raises(Unreadable):
            check_whole(data[:end])


def test_pixels_that_are_cut_are_found_where_the_last_box_has_no_size_of_its_own():
    data = bytearray(pictures.heic(256, 256))
    at = data.index(b"mdat") - 4
    data[at : at + 4] = bytes(4)
    check_whole(bytes(data))
    with pytest.raises(Unreadable):
        check_whole(bytes(data[:-1]))


@pytest.mark.parametrize("size", [1, 7, 2**31])
def test_a_box_of_an_impossible_size_is_refused(size):
    data = bytearray(pictures.heic(256, 256))
    data[:4] = size.to_bytes(4, "big")
    with pytest.raises(Unreadable):
        check_whole(bytes(data))
