"""What becomes of pictures of every kind, on their whole way through the product."""

import asyncio
import hashlib
import io
from pathlib import Path

import pytest

from tests.support import pictures
from tests.support.drivers import FakeDriver, step
from tests.support.imaging import difference, has_metadata, is_upright, opened, pixel
from tests.support.product import Product

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
REFUSED_SAMPLES = {"corrupted_1960k.jpg": 422}

GOOD = {
    **{f"orientation {n}": pictures.jpeg(96, 64, orientation=n) for n in range(1, 9)},
    "gps": pictures.jpeg(96, 64, gps=True, xmp=True),
    "display p3": pictures.jpeg(96, 64, profile="p3"),
    "cmyk": pictures.cmyk_jpeg(96, 64),
    "cmyk without profile": pictures.cmyk_jpeg(96, 64, with_profile=False),
    "16-bit png": pictures.png_16_bit(96, 64),
    "opaque alpha": pictures.png(96, 64, alpha="opaque"),
    "webp": pictures.webp(96, 64),
    "animated webp": pictures.animated("WEBP", 96, 64),
    "animated png": pictures.animated("PNG", 96, 64),
    "heic": pictures.heic(96, 64, gps=True),
    "broken exif": pictures.with_broken_exif(pictures.jpeg(96, 64)),
    "broken profile": pictures.with_broken_profile(pictures.jpeg(96, 64), 2000),
    "polyglot": pictures.polyglot(pictures.jpeg(96, 64)),
}


@pytest.mark.parametrize("name", GOOD)
async def test_every_good_picture_comes_out_upright_as_a_plain_jpeg(
    studio: Product, driver: FakeDriver, name: str
) -> None:
    answer = await studio.send(GOOD[name])
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    picture = opened(answer.content)
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (96, 64))
    assert is_upright(picture, 95)
    assert not has_metadata(answer.content)


async def test_a_grey_photo_stays_grey(studio: Product, driver: FakeDriver) -> None:
    answer = await studio.send(pictures.grey_jpeg(96, 64))
    red, green, blue, _ = pixel(answer.content, 20, 20)
    assert max(red, green, blue) - min(red, green, blue) <= 2


@pytest.mark.parametrize("chain", [step(), step("darkroom", "original"), step("darkroom", "sepia")])
async def test_a_photo_with_transparency_comes_out_as_png(
    studio: Product, driver: FakeDriver, chain: dict[str, object]
) -> None:
    await studio.change_slot(chain=[chain])
    answer = await studio.send(pictures.png(96, 64, alpha="clear"))
    assert answer.headers["content-type"] == "image/png"
    assert opened(answer.content).format == "PNG"
    assert (pixel(answer.content, 10, 30)[3], pixel(answer.content, 80, 30)[3]) == (0, 255)
    link = await studio.client.get(answer.headers["x-result-url"])
    assert (link.headers["content-type"], link.content) == ("image/png", answer.content)


async def test_a_photo_with_transparency_comes_out_as_png_whatever_the_provider_sends(
    studio: Product, driver: FakeDriver
) -> None:
    driver.script = [pictures.jpeg(96, 64)]
    answer = await studio.send(pictures.png(96, 64, alpha="clear"))
    assert (answer.headers["content-type"], opened(answer.content).format) == ("image/png", "PNG")


@pytest.mark.parametrize(
    "sent",
    [
        pictures.png(96, 64),
        pictures.png(96, 64, alpha="clear"),
        pictures.webp(96, 64),
        pictures.heic(96, 64),
        pictures.cmyk_jpeg(96, 64),
        pictures.jpeg(96, 64, orientation=8, gps=True, xmp=True),
        pictures.polyglot(pictures.jpeg(96, 64)),
    ],
    ids=["png", "alpha", "webp", "heic", "cmyk", "turned", "polyglot"],
)
async def test_a_photo_without_transparency_comes_out_as_jpeg_whatever_the_provider_sends(
    studio: Product, driver: FakeDriver, sent: bytes
) -> None:
    driver.script = [sent]
    answer = await studio.send(pictures.jpeg(96, 64))
    assert (answer.headers["content-type"], opened(answer.content).format) == ("image/jpeg", "JPEG")
    assert opened(answer.content).size == (96, 64)
    assert not has_metadata(answer.content)


@pytest.mark.parametrize("sent", [(300, 300), (600, 200), (200, 600), (301, 200)])
@pytest.mark.parametrize("orientation", [1, 6])
async def test_the_result_has_the_uploads_shape(
    studio: Product, driver: FakeDriver, sent: tuple[int, int], orientation: int
) -> None:
    driver.script = [pictures.jpeg(*sent)]
    answer = await studio.send(pictures.jpeg(300, 200, orientation=orientation))
    width, height = opened(answer.content).size
    assert abs(width / height / 1.5 - 1) <= 0.01
    assert width == sent[0] or height == sent[1]


async def test_a_shape_that_need_not_be_kept_is_left(studio: Product, driver: FakeDriver) -> None:
    await studio.change_slot(keep_shape=False)
    driver.script = [pictures.jpeg(300, 300)]
    assert opened((await studio.send(pictures.jpeg(300, 200))).content).size == (300, 300)


async def test_a_crop_is_cut_from_the_centre(studio: Product, driver: FakeDriver) -> None:
    driver.script = [pictures.jpeg(300, 300)]
    answer = await studio.send(pictures.jpeg(300, 200))
    picture = opened(pictures.jpeg(300, 300)).crop((0, 50, 300, 250))
    picture.save(cropped := io.BytesIO(), "JPEG", quality=93)
    assert difference(answer.content, cropped.getvalue()) < 5


@pytest.mark.parametrize("operation", ["black_and_white", "sepia", "sketch", "poster", "vintage", "vignette"])
async def test_the_darkroom_keeps_the_pixels(studio: Product, driver: FakeDriver, operation: str) -> None:
    await studio.change_slot(chain=[step("darkroom", operation)])
    answer = await studio.send(pictures.jpeg(301, 199))
    assert opened(answer.content).size == (301, 199)
    assert difference(answer.content, pictures.jpeg(301, 199)) > 1


async def test_the_darkroom_keeps_twelve_megapixels_and_no_more(studio: Product, driver: FakeDriver) -> None:
    await studio.change_slot(chain=[step("darkroom", "original")])
    just = await studio.send(pictures.jpeg(4000, 3000))
    assert opened(just.content).size == (4000, 3000)
    more = await studio.send(pictures.jpeg(4800, 3600))
    width, height = opened(more.content).size
    assert 11_900_000 < width * height <= 12_000_000
    assert abs(width / height / (4 / 3) - 1) <= 0.01


async def test_a_remote_provider_gets_three_megapixels_upright_and_plain(studio: Product, driver: FakeDriver) -> None:
    await studio.send(pictures.jpeg(2400, 1800, orientation=6, gps=True))
    (request,) = driver.calls
    picture = opened(request.photo.data)
    assert picture.width * picture.height <= 3_000_000 < picture.width * picture.height * 1.01
    assert is_upright(picture)
    assert not has_metadata(request.photo.data)
    assert request.photo.media_type == "image/jpeg"


@pytest.mark.parametrize("sample", sorted(SAMPLES.iterdir()) if SAMPLES.is_dir() else [], ids=lambda path: path.name)
async def test_real_photos_come_out_changed(studio: Product, driver: FakeDriver, sample: Path) -> None:
    photo = await asyncio.to_thread(sample.read_bytes)
    await studio.change_slot(chain=[step("darkroom", "black_and_white")])
    answer = await studio.send(photo)
    assert answer.status_code == REFUSED_SAMPLES.get(sample.name, 200)
    if answer.status_code == 200:
        assert opened(answer.content).format == "JPEG"
        assert not has_metadata(answer.content)
        assert hashlib.sha256(answer.content).digest() != hashlib.sha256(photo).digest()
