"""What each vendor is asked, and small readings of what it says."""

from base64 import b64encode
from hashlib import sha256

import msgspec
import pytest
from multidict import CIMultiDict

from photochanger.adapters.providers import driver as kinds
from photochanger.adapters.providers.driver import Picture
from photochanger.adapters.providers.gemini import GeminiEdit
from photochanger.adapters.providers.http import Answer, VendorHttp
from photochanger.adapters.providers.openai import OpenAIEdit
from photochanger.adapters.providers.pictures import nearest
from photochanger.adapters.providers.turbotext import DeepfakePhoto, Image2Image
from photochanger.adapters.providers.vendor import base_address, quoted, refusal, seconds_in
from tests.support.cloud import FACE, PHOTO, cloud_driver, reference


def sha(picture):
    return sha256(picture.data).hexdigest()


async def asked(vendors):
    [call] = (await vendors.log())["calls"]
    return call


async def test_gemini_gets_photo_and_templates_and_is_asked_for_the_nearest_shape(vendors):
    async with cloud_driver("gemini", vendors) as cloud:
        await cloud.transform(references=(reference("style"),), model="model-2")
    call = await asked(vendors)
    assert call["model"] == "model-2"
    assert [each["sha256"] for each in call["pictures"]] == [sha(PHOTO), sha(FACE)]
    assert call["options"] == {"aspectRatio": "3:2", "imageSize": "1K"}


async def test_geminis_settings_go_to_it_and_the_size_into_the_usage(vendors):
    async with cloud_driver("gemini", vendors) as cloud:
        settings = GeminiEdit(image_size="4K", aspect_ratio="9:16", safety_threshold="BLOCK_ONLY_HIGH")
        for given in (settings, GeminiEdit(image_size="2K")):
            image = await cloud.transform(settings=given)
            assert (image.usage or {})["image_size"] == given.image_size
    [call, _] = (await vendors.log())["calls"]
    assert call["options"] == {"aspectRatio": "9:16", "imageSize": "4K"}


async def test_a_picture_of_gemini_is_not_lost_for_nonsense_about_its_work(vendors, monkeypatch):
    data = {"inlineData": {"mimeType": "image/jpeg", "data": b64encode(PHOTO.data).decode()}}
    said = {"candidates": [{"content": {"parts": [data]}}], "usageMetadata": [1]}

    async def ask(*_, **__):
        return Answer(200, CIMultiDict(), msgspec.json.encode(said))

    monkeypatch.setattr(VendorHttp, "ask", ask)
    async with cloud_driver("gemini", vendors) as cloud:
        image = await cloud.transform()
    assert (image.data, image.usage) == (PHOTO.data, {"image_size": "1K"})


async def test_more_than_gemini_takes_is_not_sent(vendors):
    async with cloud_driver("gemini", vendors) as cloud:
        with pytest.raises(kinds.BadConfiguration, match="20 MB"):
            await cloud.transform(references=(reference("style", Picture(b"\xff\xd8\xff" * 5_200_000, "image/jpeg")),))
    assert (await vendors.log())["calls"] == []


async def test_openai_gets_images_mask_and_the_nearest_size(vendors):
    async with cloud_driver("openai", vendors) as cloud:
        settings = OpenAIEdit(quality="low", output_format="webp")
        await cloud.transform(references=(reference("style"), reference("mask")), settings=settings)
    call = await asked(vendors)
    assert [each["field"] for each in call["pictures"]] == ["image[]", "image[]", "mask"]
    assert call["options"] == {"size": "1536x1024", "quality": "low", "output_format": "webp"}
    assert call["model"] == "model-1"


async def test_those_who_speak_like_openai_may_give_a_link(vendors):
    async with cloud_driver("openai", vendors) as cloud:
        await vendors.play("openai", {"by_link": True, "format": "png"}, {"by_link": True, "do": "not_an_image"})
        image = await cloud.transform()
        assert image.media_type == "image/png"
        with pytest.raises(kinds.BadAnswer) as failure:
            await cloud.transform()
    assert failure.value.cost_micros is None  # it was made


async def test_openais_exhausted_account_is_no_matter_of_waiting(vendors):
    async with cloud_driver("openai", vendors) as cloud:
        await vendors.play("openai", {"do": "blocked", "reason": "insufficient_quota"})
        with pytest.raises(kinds.BadConfiguration, match="credit"):
            await cloud.transform()


@pytest.mark.parametrize(
    ("operation", "settings", "references", "fields"),
    [
        ("generate_image2image", Image2Image(strength=30, seed=7), (), {"url": PHOTO}),
        ("mix_images", None, ("style",), {"url_image_target": PHOTO, "url": FACE}),
        ("deepfake_photo", None, ("face",), {"url": PHOTO, "url_image_target": FACE}),
        (
            "deepfake_photo",
            DeepfakePhoto(photo_as="face", face_restore=True),
            ("person",),
            {"url": FACE, "url_image_target": PHOTO},
        ),
    ],
)
async def test_turbotext_fetches_each_picture_from_a_link_of_its_own(vendors, operation, settings, references, fields):
    async with cloud_driver("turbotext", vendors) as cloud:
        given = {"settings": settings} if settings else {}
        await cloud.transform(operation=operation, references=tuple(map(reference, references)), **given)
    call = await asked(vendors)
    assert {each["field"]: each["sha256"] for each in call["pictures"]} == {
        field: sha(picture) for field, picture in fields.items()
    }
    if operation == "generate_image2image":
        assert call["options"] == {"strength": "30", "scale": "7.5", "seed": "7", "original_language": "ru"}
    if operation == "deepfake_photo":
        assert call["options"] == ({"face_restore": "1"} if settings else {})


async def test_turbotext_says_what_it_misses(vendors):
    async with cloud_driver("turbotext", vendors) as cloud:
        with pytest.raises(kinds.BadConfiguration, match="role style"):
            await cloud.transform(operation="mix_images")
        with pytest.raises(kinds.BadConfiguration, match="PUBLIC_BASE_URL"):
            await cloud.transform(publish=None)

        async def nowhere(_: bytes) -> str:
            return f"{vendors.url}/nothing-here"

        with pytest.raises(kinds.BadAnswer, match="the picture at the link cannot be read"):
            await cloud.transform(publish=nowhere)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (600, 400, "3:2"),
        (400, 600, "2:3"),
        (500, 500, "1:1"),
        (4000, 1000, "21:9"),
        (1000, 4000, "9:16"),
        (4, 3, "4:3"),
    ],
)
def test_the_nearest_shape_is_the_one_that_loses_least(width, height, expected):
    shapes = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
    assert nearest(shapes, width, height) == expected


@pytest.mark.parametrize(
    "text", ["https://a.example", "https://a.example/", "https://a.example/v1", "https://a.example/v1/"]
)
def test_a_base_address_is_right_with_and_without_its_ending(text):
    assert str(base_address(text, suffix="/v1")) == "https://a.example/v1"


def test_a_vendors_words_are_one_short_line_without_what_it_was_told():
    said = quoted("line\r\n\x1b[2J key-1 prompt-1 " + "x " * 500, "key-1", "prompt-1", "")
    assert said.startswith("line [2J … … x")
    assert len(said) == 200


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a hero called Anna flies", "…"),
        ('bad word "ANNA" in prompt', 'bad word "…" in prompt'),
        ("no picture at https://photos.example/public/inputs/abc?x=1 found", "no picture at … found"),
        (f"input {'aB3_' * 12} is gone", "input … is gone"),
    ],
)
def test_a_vendors_words_hold_no_guest_and_no_link(text, left):
    assert quoted(text, "key-1", "A hero called Anna flies", "Anna") == left


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, kinds.BadConfiguration),
        (400, kinds.BadConfiguration),
        (401, kinds.BadConfiguration),
        (403, kinds.BadConfiguration),
        (404, kinds.BadConfiguration),
        (408, kinds.Unavailable),
        (429, kinds.RateLimited),
        (500, kinds.Unavailable),
        (504, kinds.Unavailable),
        (529, kinds.Unavailable),
    ],
)
def test_every_status_has_its_meaning(status, kind):
    assert type(refusal(Answer(status, CIMultiDict(), b""), "says key-1", "key-1")) is kind


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("17", 17.0), ("0.5", 0.5), ("Sat, 21 Nov 2026 08:30:00 GMT", None), ("-1", None), ("", None)],
)
def test_a_wait_is_read_in_seconds(given, seconds):
    assert seconds_in(CIMultiDict({"retry-after": given})) == seconds
