"""Frames and watermarks: uploaded once, laid over every photo of the slots that name them."""

from io import BytesIO

import httpx
import pytest
from PIL import Image
from sqlalchemy import select

from photochanger.features.media.models import Media
from tests.support.multipart import encode, file, text
from tests.support.pictures import jpeg, picture
from tests.support.product import Product
from tests.support.results import code_of, send


def frame(width: int = 64, height: int = 48) -> bytes:
    """Pure blue with a transparent middle."""
    image = Image.new("RGBA", (width, height), (0, 0, 255, 255))
    image.paste((0, 0, 0, 0), (width // 4, height // 4, width * 3 // 4, height * 3 // 4))
    to = BytesIO()
    image.save(to, "PNG")
    return to.getvalue()


async def upload(product: Product, data: bytes, **options) -> httpx.Response:
    files = {"file": ("../../frame.png", data, "image/png")}
    return await product.client.post("/api/templates", files=files, headers=product.admin, **options)


async def sent_with(product: Product, role: str, operation: str, data: bytes, **settings: object) -> Image.Image:
    uploaded = await upload(product, data)
    assert uploaded.status_code == 201, uploaded.text
    step = {"provider": "darkroom", "operation": operation, "settings": settings}
    media = [{"role": role, "media_id": uploaded.json()["media_id"]}]
    await product.change_slot(chain=[step], template_media=media)
    answer = await product.send(jpeg(64, 48))
    assert answer.status_code == 200, answer.text
    return Image.open(BytesIO(answer.content)).convert("RGB")


def is_blue(pixel: object) -> bool:
    assert isinstance(pixel, tuple)
    red, green, blue = pixel
    return bool(red < 60 and green < 60 and blue > 180)


async def test_a_frame_lies_over_the_photo(product: Product):
    result = await sent_with(product, "frame", "frame", frame())
    assert result.size == (64, 48)
    assert all(is_blue(result.getpixel(at)) for at in ((2, 2), (61, 2), (2, 45), (61, 45)))
    original = picture(64, 48).getpixel((24, 18))
    middle = result.getpixel((24, 18))
    assert isinstance(original, tuple)
    assert isinstance(middle, tuple)
    assert max(abs(one - other) for one, other in zip(original, middle, strict=True)) < 40


async def test_a_watermark_stands_in_its_corner(product: Product):
    mark = BytesIO()
    Image.new("RGB", (40, 20), (0, 0, 255)).save(mark, "PNG")
    result = await sent_with(product, "watermark", "watermark", mark.getvalue(), corner="top_left", opacity=1, size=0.5)
    blue = [(x, y) for x in range(64) for y in range(48) if is_blue(result.getpixel((x, y)))]
    assert blue
    assert max(x for x, _ in blue) < 44
    assert max(y for _, y in blue) < 30


async def test_a_template_is_told_what_it_is_and_stays_when_photos_go(product: Product):
    answer = await upload(product, frame(100, 50))
    document = answer.json()
    assert set(document) == {"media_id", "content_type", "size_bytes", "width", "height"}
    assert (document["content_type"], document["width"], document["height"]) == ("image/png", 100, 50)
    assert "frame.png" not in str(await product.stored_files())
    await product.change_slot(template_media=[{"role": "frame", "media_id": document["media_id"]}])
    await send(product)
    await product.client.post("/api/slots/slot-001/cleanup?everything=true", headers=product.admin)
    product.clock.advance(days=100)
    await product.parts.retention.evict_expired()
    await product.parts.reconciler.reconcile(whole_store=True)
    assert [name.split("/")[0] for name in await product.stored_files()] == ["template"]


async def test_a_step_without_its_template_is_a_failure_that_says_so(product: Product):
    await product.change_slot(chain=[{"provider": "darkroom", "operation": "frame"}])
    answer = await product.send(jpeg(64, 48))
    assert code_of(answer) == (502, "provider-failed")
    [attempt] = (await product.job(answer.headers["x-job-id"]))["attempts"]
    assert attempt["outcome"] == "bad_configuration"
    assert "frame" in attempt["error"]


@pytest.mark.parametrize("kind", ["source", "result"])
async def test_a_photo_is_no_template(product: Product, kind):
    await send(product)
    async with product.parts.database.read() as session:
        [media_id, *_] = await session.scalars(select(Media.id).where(Media.kind == kind))
    version = (await product.client.get("/api/slots/slot-001", headers=product.admin)).json()["version"]
    body = {"version": version, "template_media": [{"role": "frame", "media_id": str(media_id)}]}
    answer = await product.client.put("/api/slots/slot-001", json=body, headers=product.admin)
    assert code_of(answer) == (422, "validation-failed")


async def test_wrong_templates_are_refused_and_leave_nothing(product: Product):
    assert code_of(await upload(product, b"GIF89a" + b"x" * 100)) == (415, "unsupported-image")
    assert code_of(await upload(product, frame()[:100])) == (422, "image-unreadable")
    assert code_of(await upload(product, b"")) == (400, "malformed-upload")
    assert code_of(await upload(product, b"\xff\xd8\xff" + b"x" * (10 * 2**20 + 1))) == (413, "upload-too-large")
    content_type, body = encode([file(frame()), file(frame())])
    headers = product.admin | {"Content-Type": content_type}
    assert code_of(await product.client.post("/api/templates", content=body, headers=headers)) == (
        400,
        "malformed-upload",
    )
    content_type, body = encode([text("name", "x")])
    headers = product.admin | {"Content-Type": content_type}
    assert code_of(await product.client.post("/api/templates", content=body, headers=headers)) == (
        400,
        "malformed-upload",
    )
    assert (await product.client.post("/api/templates", json={}, headers=product.admin)).status_code in (400, 415)
    assert await product.stored_files() == []
