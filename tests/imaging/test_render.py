import pytest
from PIL import Image

from photochanger.adapters.providers.driver import BadAnswer
from tests.support import pictures
from tests.support.imaging import has_metadata, is_upright, opened, pixel, prepared

LIMIT = 100_000_000


async def rendered(imaging, data, *, width=640, height=480, has_alpha=False, keep_shape=True, is_clean=False):
    return await imaging.render(
        data,
        width=width,
        height=height,
        has_alpha=has_alpha,
        keep_shape=keep_shape,
        max_pixels=LIMIT,
        is_clean=is_clean,
    )


@pytest.mark.parametrize(
    "answer",
    [pictures.jpeg(gps=True, xmp=True, profile="p3"), pictures.png(), pictures.webp(), pictures.heic(gps=True)],
)
async def test_whatever_the_provider_sends_becomes_a_clean_jpeg(imaging, answer):
    result = await rendered(imaging, answer)
    image = opened(result.full.data)
    assert (result.full.media_type, image.format, image.mode, image.size) == ("image/jpeg", "JPEG", "RGB", (640, 480))
    assert is_upright(image)
    for file in (result.full, result.thumb_webp, result.thumb_jpeg, result.screen_webp, result.screen_jpeg):
        assert not has_metadata(file.data)


async def test_renditions_fit_their_sizes(imaging):
    result = await rendered(imaging, pictures.jpeg(2400, 1200), width=2400, height=1200)
    expected = {
        "full": ("image/jpeg", (2400, 1200)),
        "thumb_webp": ("image/webp", (400, 200)),
        "thumb_jpeg": ("image/jpeg", (400, 200)),
        "screen_webp": ("image/webp", (1600, 800)),
        "screen_jpeg": ("image/jpeg", (1600, 800)),
    }
    for name, (media_type, size) in expected.items():
        file = getattr(result, name)
        assert (file.media_type, (file.width, file.height)) == (media_type, size)
        assert opened(file.data).size == size
        assert Image.MIME[opened(file.data).format or ""] == media_type


async def test_renditions_are_never_larger_than_the_photo(imaging):
    result = await rendered(imaging, pictures.jpeg(300, 200), width=300, height=200)
    assert {(file.width, file.height) for file in (result.thumb_webp, result.screen_jpeg)} == {(300, 200)}


@pytest.mark.parametrize(
    ("width", "height", "size"), [(480, 480, (480, 480)), (640, 320, (640, 320)), (30, 40, (360, 480))]
)
async def test_another_shape_is_cut_from_the_centre(imaging, width, height, size):
    result = await rendered(imaging, pictures.png(), width=width, height=height)
    assert opened(result.full.data).size == size


async def test_a_shape_within_one_percent_is_left_alone(imaging):
    result = await rendered(imaging, pictures.png(), width=645, height=480)
    assert opened(result.full.data).size == (640, 480)


async def test_the_shape_is_left_alone_where_the_slot_says_so(imaging):
    result = await rendered(imaging, pictures.png(), width=480, height=480, keep_shape=False)
    assert opened(result.full.data).size == (640, 480)


async def test_a_transparent_upload_gets_the_answers_transparency(imaging):
    result = await rendered(imaging, pictures.png(alpha="clear"), has_alpha=True)
    assert (result.full.media_type, opened(result.full.data).mode) == ("image/png", "RGBA")
    assert opened(result.thumb_webp.data).mode == "RGBA"
    assert pixel(result.thumb_jpeg.data, 5, 5) == (255, 255, 255, 255)


async def test_a_transparent_upload_gets_a_png_even_for_an_opaque_answer(imaging):
    result = await rendered(imaging, pictures.jpeg(), has_alpha=True)
    assert (result.full.media_type, opened(result.full.data).mode) == ("image/png", "RGB")


async def test_an_opaque_upload_gets_a_jpeg_on_white_for_a_transparent_answer(imaging):
    result = await rendered(imaging, pictures.png(alpha="clear"))
    assert result.full.media_type == "image/jpeg"
    assert pixel(result.full.data, 5, 5) == (255, 255, 255, 255)


@pytest.mark.parametrize("alpha", [None, "clear"])
async def test_what_the_darkroom_made_is_passed_through_unchanged(imaging, alpha):
    photo = await prepared(imaging, pictures.png(2000, 1000, alpha=alpha))
    result = await rendered(
        imaging, photo.picture.data, width=2000, height=1000, has_alpha=photo.has_alpha, is_clean=True
    )
    assert result.full.data is photo.picture.data or result.full.data == photo.picture.data
    assert (result.full.media_type, result.full.width) == (photo.picture.media_type, 2000)
    assert (result.screen_webp.width, result.thumb_jpeg.width) == (1600, 400)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        pictures.avif(),
        pictures.cut(pictures.jpeg()),
        pictures.cut(pictures.heic(), 0.9),
        pictures.claiming(65_500, 65_500),
        b"\xff\xd8\xff" + bytes(range(256)) * 40,
    ],
)
async def test_an_answer_that_is_no_good_image_is_a_bad_answer(imaging, answer):
    with pytest.raises(BadAnswer):
        await rendered(imaging, answer)


async def test_nothing_behind_the_end_of_the_answer_is_published(imaging):
    result = await rendered(imaging, pictures.polyglot(pictures.jpeg()))
    assert result.full.data.endswith(b"\xff\xd9")
    assert b"secret" not in result.full.data


async def test_the_same_answer_gives_the_same_bytes(imaging):
    assert await rendered(imaging, pictures.jpeg(900, 700)) == await rendered(imaging, pictures.jpeg(900, 700))
