import asyncio
import os
from functools import partial
from pathlib import Path

import psutil
import pytest

from photochanger.adapters.imaging import workers
from photochanger.adapters.imaging.sniff import sniff
from photochanger.adapters.storage.store import StorageUnavailable
from photochanger.core.errors import Problem
from tests.support import pictures, worker_functions
from tests.support.imaging import (
    has_metadata,
    is_upright,
    opened,
    pixel,
    prepared,
    quadrant_colours,
    running_imaging,
    wait_for_end,
)
from tests.support.streams import PausedStream, stream

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
BROKEN_SAMPLES = {"corrupted_1960k.jpg"}

tiled_heic = partial(pictures.heic, tile_size=256)
"""Its decoder fills missing tiles with nothing and calls that a picture."""


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_every_orientation_comes_out_upright(imaging, orientation):
    photo = await prepared(imaging, pictures.jpeg(640, 400, orientation=orientation))
    assert (photo.width, photo.height, photo.source_width, photo.source_height) == (640, 400, 640, 400)
    assert is_upright(opened(photo.picture.data))


async def test_a_turned_photo_is_scaled_down_in_its_upright_shape(imaging):
    photo = await prepared(imaging, pictures.jpeg(600, 900, orientation=6), max_pixels=60_000)
    assert (photo.source_width, photo.source_height) == (600, 900)
    assert (photo.width, photo.height) == (200, 300)
    assert is_upright(opened(photo.picture.data))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(pictures.jpeg(profile="srgb"), id="jpeg with sRGB profile"),
        pytest.param(pictures.cmyk_jpeg(), id="CMYK jpeg"),
        pytest.param(pictures.cmyk_jpeg(with_profile=False), id="CMYK jpeg without profile"),
        pytest.param(pictures.png(), id="png"),
        pytest.param(pictures.png(alpha="opaque"), id="png with opaque alpha"),
        pytest.param(pictures.png_16_bit(), id="16-bit png"),
        pytest.param(pictures.webp(), id="webp"),
        pytest.param(pictures.heic(), id="heic"),
        pytest.param(tiled_heic(), id="heic of tiles"),
        pytest.param(pictures.polyglot(pictures.jpeg()), id="jpeg with a script and a ZIP behind it"),
        pytest.param(pictures.with_broken_exif(pictures.jpeg()), id="jpeg with broken EXIF"),
        pytest.param(pictures.with_broken_profile(pictures.jpeg()), id="jpeg with broken profile"),
    ],
)
async def test_a_good_photo_becomes_an_srgb_jpeg_of_its_own_size(imaging, data):
    photo = await prepared(imaging, data)
    image = opened(photo.picture.data)
    assert (photo.picture.media_type, image.format, image.mode, image.size) == ("image/jpeg", "JPEG", "RGB", (640, 480))
    assert not photo.has_alpha
    assert is_upright(image)
    assert not has_metadata(photo.picture.data)


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
async def test_only_the_first_frame_of_an_animation_is_used(imaging, kind):
    photo = await prepared(imaging, pictures.animated(kind, 320, 240))
    assert (photo.width, photo.height) == (320, 240)
    assert is_upright(opened(photo.picture.data))


async def test_a_grey_photo_becomes_three_equal_colours(imaging):
    photo = await prepared(imaging, pictures.grey_jpeg())
    image = opened(photo.picture.data)
    assert image.mode == "RGB"
    assert all(max(colour) - min(colour) < 2 for colour in quadrant_colours(image))


async def test_a_wide_gamut_photo_keeps_its_look_in_srgb(imaging):
    plain = await prepared(imaging, pictures.jpeg())
    wide = await prepared(imaging, pictures.jpeg(profile="p3"))
    plain_red, wide_red = (quadrant_colours(opened(photo.picture.data))[0] for photo in (plain, wide))
    assert wide_red[0] > plain_red[0] + 5
    assert wide_red[1] < plain_red[1] - 5


async def test_real_transparency_is_kept_as_png(imaging):
    photo = await prepared(imaging, pictures.png(alpha="clear"))
    image = opened(photo.picture.data)
    assert (photo.has_alpha, photo.picture.media_type, image.mode) == (True, "image/png", "RGBA")
    assert pixel(photo.picture.data, 10, 10)[3] == 0
    assert pixel(photo.picture.data, 630, 10)[3] == 255


@pytest.mark.parametrize("data", [pictures.jpeg(gps=True, xmp=True, profile="p3"), pictures.heic(gps=True)])
async def test_nothing_of_the_metadata_is_left(imaging, data):
    assert has_metadata(data)
    photo = await prepared(imaging, data)
    assert not has_metadata(photo.picture.data)


@pytest.mark.parametrize(("width", "height"), [(1000, 999), (1237, 311), (300, 1999), (1, 5000)])
async def test_a_photo_is_scaled_down_to_the_pixels_asked_for(imaging, width, height):
    photo = await prepared(imaging, pictures.png(width, height), max_pixels=100_000)
    assert photo.width * photo.height <= 100_000
    assert photo.width / photo.height == pytest.approx(width / height, rel=0.02)


async def test_a_small_photo_is_not_scaled_up(imaging):
    photo = await prepared(imaging, pictures.jpeg(1, 1))
    assert (photo.width, photo.height) == (1, 1)


@pytest.mark.parametrize("share", [0.14, 0.5, 0.98])
@pytest.mark.parametrize("make", [pictures.jpeg, pictures.png, pictures.webp, pictures.heic, tiled_heic])
async def test_a_photo_that_is_cut_short_is_refused(imaging, make, share):
    with pytest.raises(Problem) as problem:
        await prepared(imaging, pictures.cut(make(), share))
    assert problem.value.code == "image-unreadable"


@pytest.mark.parametrize("tail", [b"", b"\0" * 500, b"\xff" * 70_000])
@pytest.mark.parametrize("head", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", pictures.heic(64, 64)[:24]])
async def test_rubbish_behind_a_good_beginning_is_refused(imaging, head, tail):
    with pytest.raises(Problem) as problem:
        await imaging.prepare(stream(head + tail), sniff(pictures.heic(64, 64)) or "", max_pixels=1000)
    assert problem.value.code == "image-unreadable"


async def test_a_heic_without_any_pixels_is_refused(imaging):
    data = bytearray(pictures.heic(64, 64))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = bytes(8)
    with pytest.raises(Problem) as problem:
        await prepared(imaging, bytes(data))
    assert problem.value.code == "image-unreadable"


async def test_a_format_other_than_the_sniffed_one_is_refused(imaging):
    with pytest.raises(Problem) as problem:
        await imaging.prepare(stream(pictures.png()), "image/jpeg", max_pixels=1000)
    assert problem.value.code == "image-unreadable"


@pytest.mark.parametrize(
    "data",
    [
        pictures.claiming(65_500, 65_500),
        pictures.claiming(10_001, 10_000),
        pictures.png_claiming(65_535, 65_535),
        pictures.png_claiming(1, 60_000),
        pictures.png_claiming(32_769, 1),
    ],
)
async def test_too_many_pixels_are_refused(imaging, data):
    with pytest.raises(Problem) as problem:
        await prepared(imaging, data)
    assert problem.value.code == "image-too-many-pixels"


async def test_a_header_that_claims_too_much_costs_nothing(tmp_path):
    async with running_imaging(tmp_path) as imaging:
        before = _workers_cpu()
        for _ in range(10):
            with pytest.raises(Problem):
                await prepared(imaging, pictures.claiming(65_500, 65_500))
        assert _workers_cpu() - before < 0.5


def _workers_cpu() -> float:
    times = [child.cpu_times() for child in psutil.Process().children()]
    return float(sum(time.user + time.system for time in times))


async def test_text_that_unpacks_to_much_does_no_harm(imaging):
    photo = await prepared(imaging, pictures.png_with_text())
    assert (photo.width, photo.height) == (64, 48)


async def test_what_the_source_raises_comes_out_unchanged(imaging):
    failure = StorageUnavailable("the disk is gone")
    good = pictures.jpeg()

    async def broken(after: int):
        yield good[:after]
        raise failure

    for after in (0, 3000, len(good) - 2):
        with pytest.raises(StorageUnavailable) as raised:
            await imaging.prepare(broken(after), "image/jpeg", max_pixels=1000)
        assert raised.value is failure


async def test_waiting_for_a_slow_source_is_not_the_workers_time(tmp_path):
    photo = pictures.jpeg()
    source = PausedStream(photo[:3000], photo[3000:])
    async with running_imaging(tmp_path, seconds=1.5) as imaging:
        work = asyncio.create_task(imaging.prepare(source.chunks(), "image/jpeg", max_pixels=1_000_000))
        await source.paused.wait()
        await asyncio.sleep(2)  # real time has to pass: the kernel counts it
        source.go.set()
        assert (await work).width == 640


async def test_a_photo_that_takes_too_long_is_refused_and_the_next_one_works(tmp_path):
    async with running_imaging(tmp_path, seconds=0.002) as imaging:
        with pytest.raises(Problem) as problem:
            await prepared(imaging, pictures.png(2000, 1500))
        assert problem.value.code == "image-unreadable"
        assert await imaging.run(abs, -1, seconds=20) == 1


async def test_a_worker_that_stops_reading_early_does_not_wait_for_the_rest(imaging):
    """The picture ends; what comes behind it never does."""
    photo = PausedStream(pictures.jpeg() + b"\0" * 300_000)
    assert (await imaging.prepare(photo.chunks(), "image/jpeg", max_pixels=1_000_000)).width == 640


async def test_cancelling_frees_the_worker_and_the_pipe(tmp_path):
    source = PausedStream(pictures.jpeg()[:2000])
    async with running_imaging(tmp_path) as imaging:
        work = asyncio.create_task(imaging.prepare(source.chunks(), "image/jpeg", max_pixels=1000))
        await source.paused.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert list((tmp_path / "scratch").iterdir()) == []
        assert (await prepared(imaging, pictures.jpeg())).width == 640


async def test_cancelling_kills_a_worker_that_is_stuck_in_a_photo(imaging, tmp_path, monkeypatch):
    report = tmp_path / "report"
    os.mkfifo(report)
    monkeypatch.setattr(workers, "prepare", worker_functions.spin_instead)
    source = PausedStream(b"photo")
    work = asyncio.create_task(imaging.prepare(source.chunks(), str(report), max_pixels=1))
    pid = int(await asyncio.to_thread(report.read_text))
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(10):  # its own time would be over after 20
            await work
    await asyncio.to_thread(wait_for_end, pid)


async def test_more_photos_than_workers_wait_for_their_turn(imaging):
    photos = await asyncio.gather(*(prepared(imaging, pictures.jpeg(seed=seed)) for seed in range(6)))
    assert len({photo.picture.data for photo in photos}) == 6


async def test_a_large_photo_is_never_whole_in_the_servers_memory(imaging):
    """128 MiB, most of it comments before the pixels."""
    photo, process, peaks = pictures.jpeg(), psutil.Process(), [0]
    before = process.memory_info().rss

    async def large():
        yield photo[:2]
        for number in range(2048):
            yield b"\xff\xfe\xff\xff" + number.to_bytes(2, "big") * 32766 + b"\0"
            peaks.append(process.memory_info().rss)
        yield photo[2:]

    assert (await imaging.prepare(large(), "image/jpeg", max_pixels=1_000_000)).width == 640
    assert len(peaks) == 2049
    assert max(peaks) - before < 32 * 1024 * 1024


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not here")
async def test_every_sample_is_prepared_or_refused_for_a_reason(imaging):
    for path in sorted(SAMPLES.iterdir()):
        if path.name in BROKEN_SAMPLES:
            with pytest.raises(Problem, match="image-unreadable"):
                await prepared(imaging, path.read_bytes())
        else:
            photo = await prepared(imaging, path.read_bytes())
            assert photo.picture.media_type == "image/jpeg", path.name
            assert not has_metadata(photo.picture.data), path.name
