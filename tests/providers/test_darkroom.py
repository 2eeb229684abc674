import msgspec
import pytest

from photochanger.adapters.imaging.darkroom_settings import (
    BlackAndWhite,
    Frame,
    Original,
    Recipe,
    Sepia,
    Vignette,
    Watermark,
)
from photochanger.adapters.imaging.imaging import Imaging
from photochanger.adapters.imaging.results import WorkerStopped
from photochanger.adapters.providers.darkroom import OPERATIONS, Darkroom
from photochanger.adapters.providers.driver import (
    BadAnswer,
    BadConfiguration,
    Driver,
    Picture,
    Reference,
    TimedOut,
    TransformRequest,
    Unavailable,
)
from tests.support import pictures
from tests.support.imaging import difference, has_metadata, opened, pixel

JPEG = Picture(pictures.jpeg(600, 400), "image/jpeg")
CLEAR_PNG = Picture(pictures.png(600, 400, alpha="clear"), "image/png")
FRAME = Reference("frame", Picture(pictures.frame_template(), "image/png"))
MARK = Reference("watermark", Picture(pictures.frame_template(300, 100), "image/png"))
SETTINGS = {
    **{name: kind() for name, kind in OPERATIONS.items() if name not in {"recipe", "watermark"}},
    "watermark": Watermark(text="Анна & Tom", size=1.0),
    "recipe": Recipe(steps=[Sepia(), Vignette()]),
}


@pytest.fixture
def darkroom(imaging) -> Driver:
    return Darkroom(imaging)


async def develop(darkroom, settings, *references, photo=JPEG):
    operation = type(settings).__struct_config__.tag
    request = TransformRequest(
        photo=photo,
        operation=operation,
        settings=settings,
        deadline=0.0,
        width=600,
        height=400,
        references=references,
    )
    return await darkroom.transform(request)


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "original"])
async def test_every_operation_visibly_changes_the_photo_and_keeps_its_size(darkroom, operation):
    image = await develop(darkroom, SETTINGS[operation], FRAME)
    assert image.media_type == "image/jpeg"
    assert opened(image.data).size == (600, 400)
    assert difference(image.data, JPEG.data) > 1.5
    assert not has_metadata(image.data)


@pytest.mark.parametrize("operation", list(OPERATIONS))
async def test_the_same_photo_gives_the_same_bytes(darkroom, operation):
    first = await develop(darkroom, SETTINGS[operation], FRAME)
    second = await develop(darkroom, SETTINGS[operation], FRAME)
    assert first == second


@pytest.mark.parametrize("operation", list(OPERATIONS))
async def test_transparency_is_kept(darkroom, operation):
    image = await develop(darkroom, SETTINGS[operation], FRAME, photo=CLEAR_PNG)
    result = opened(image.data)
    assert (image.media_type, result.mode, result.size) == ("image/png", "RGBA", (600, 400))
    assert pixel(image.data, 150, 200)[3] == 0
    assert pixel(image.data, 450, 200)[3] == 255


@pytest.mark.parametrize("operation", list(OPERATIONS))
@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 900), (2100, 5)])
async def test_the_smallest_and_thinnest_photos_are_developed_too(darkroom, operation, width, height):
    image = await develop(
        darkroom, SETTINGS[operation], FRAME, photo=Picture(pictures.jpeg(width, height), "image/jpeg")
    )
    assert opened(image.data).size == (width, height)


async def test_the_original_is_the_prepared_photo_itself(darkroom):
    assert (await develop(darkroom, Original())).data == JPEG.data


async def test_black_and_white_has_no_colour(darkroom):
    image = await develop(darkroom, BlackAndWhite())
    assert all(max(colour) - min(colour) <= 2 for colour in (pixel(image.data, x, 200)[:3] for x in range(0, 600, 50)))


async def test_strength_goes_from_nothing_to_all(darkroom):
    changes = [
        difference((await develop(darkroom, Sepia(strength=strength))).data, JPEG.data) for strength in (0.0, 0.5, 1.0)
    ]
    assert changes[0] < 1.5 < changes[1] < changes[2]


async def test_a_frame_covers_the_photo_and_shows_it_in_the_middle(darkroom):
    """A square frame over a wide photo: it is as wide as the photo, and its upper and lower edge are cut off."""
    image = await develop(darkroom, Frame(), FRAME)
    red, green, blue, _ = pixel(image.data, 10, 200)
    assert red > 230
    assert green < 30
    assert blue > 230
    assert pixel(image.data, 300, 10) == pytest.approx(pixel(JPEG.data, 300, 10), abs=12)


async def test_a_frame_needs_its_template(darkroom):
    with pytest.raises(BadConfiguration, match="role frame"):
        await develop(darkroom, Frame(), MARK)


@pytest.mark.parametrize(
    "template", [pictures.jpeg(), b"no picture", pictures.cut(pictures.png()), pictures.claiming(65_500, 65_500)]
)
async def test_a_template_that_cannot_be_a_frame_is_a_matter_of_configuration(darkroom, template):
    with pytest.raises(BadConfiguration, match="frame"):
        await develop(darkroom, Frame(), Reference("frame", Picture(template, "image/png")))


@pytest.mark.parametrize(
    ("corner", "x", "y"),
    [("top_left", 0, 0), ("top_right", 1, 0), ("bottom_left", 0, 1), ("bottom_right", 1, 1)],
)
@pytest.mark.parametrize("references", [(), (MARK,)])
async def test_a_watermark_stands_in_its_corner_and_nowhere_else(darkroom, corner, x, y, references):
    text = "" if references else "Photo"
    image = await develop(darkroom, Watermark(text=text, corner=corner, size=0.3, opacity=1.0), *references)
    marked, plain = opened(image.data).convert("RGB"), opened(JPEG.data).convert("RGB")
    for column in (0, 1):
        for row in (0, 1):
            box = (column * 300, row * 200, column * 300 + 300, row * 200 + 200)
            pairs = zip(marked.crop(box).tobytes(), plain.crop(box).tobytes(), strict=True)
            change = sum(abs(a - b) for a, b in pairs) / (300 * 200 * 3)
            assert (change > 2) == ((column, row) == (x, y)), (column, row, change)


async def test_a_watermark_needs_a_text_or_a_template(darkroom):
    with pytest.raises(BadConfiguration, match="role watermark"):
        await develop(darkroom, Watermark(text="  "))


async def test_cyrillic_letters_are_not_boxes(darkroom):
    texts = [await develop(darkroom, Watermark(text=text, size=0.8)) for text in ("ЖЖЖ", "ШШШ")]
    assert texts[0].data != texts[1].data


async def test_a_character_that_the_font_lacks_is_told(darkroom):
    with pytest.raises(BadConfiguration, match="婚"):
        await develop(darkroom, Watermark(text="A婚B"))


async def test_a_recipe_is_its_steps_one_after_the_other(darkroom):
    together = await develop(darkroom, Recipe(steps=[BlackAndWhite(), Watermark(text="Hi", opacity=1.0)]))
    alone = await develop(
        darkroom,
        Watermark(text="Hi", opacity=1.0),
        photo=Picture((await develop(darkroom, BlackAndWhite())).data, "image/jpeg"),
    )
    assert difference(together.data, alone.data) < 1.5


async def test_a_photo_that_cannot_be_read_is_a_bad_answer(darkroom):
    with pytest.raises(BadAnswer):
        await develop(darkroom, Sepia(), photo=Picture(pictures.cut(JPEG.data), "image/jpeg"))


class _Stopped(Imaging):
    """Its worker always stops."""

    def __init__(self, *, was_too_slow: bool) -> None:
        self._was_too_slow = was_too_slow

    async def run(self, function, *args, seconds=None):
        raise WorkerStopped(was_too_slow=self._was_too_slow)


async def test_a_worker_that_was_too_slow_is_a_time_out():
    with pytest.raises(TimedOut):
        await develop(Darkroom(_Stopped(was_too_slow=True)), Sepia())


async def test_a_worker_that_crashed_is_a_bad_answer():
    with pytest.raises(BadAnswer):
        await develop(Darkroom(_Stopped(was_too_slow=False)), Sepia())


async def test_the_probe_says_whether_workers_work(darkroom):
    await darkroom.probe()
    with pytest.raises(Unavailable):
        await Darkroom(_Stopped(was_too_slow=True)).probe()


def test_settings_may_be_sent_as_they_are_shown():
    for settings in SETTINGS.values():
        assert msgspec.convert(msgspec.to_builtins(settings), type(settings), strict=True) == settings
