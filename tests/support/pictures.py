"""Pictures made in code, good and bad ones. Content differs by `seed`; equal arguments, equal bytes."""

import io
import struct
import zlib

import pillow_heif
import pyvips
from PIL import ExifTags, Image

QUADRANTS = ((220, 40, 40), (40, 200, 60), (50, 70, 220), (230, 210, 60))
"""Upright: top left red, top right green, bottom left blue, bottom right yellow."""

_TURNED_BACK = {
    2: [Image.Transpose.FLIP_LEFT_RIGHT],
    3: [Image.Transpose.ROTATE_180],
    4: [Image.Transpose.FLIP_TOP_BOTTOM],
    5: [Image.Transpose.TRANSPOSE],
    6: [Image.Transpose.ROTATE_90],
    7: [Image.Transpose.TRANSVERSE],
    8: [Image.Transpose.ROTATE_270],
}
"""How an upright picture has to lie in a file so that its EXIF orientation sets it upright again."""


def picture(width: int = 640, height: int = 480, *, seed: int = 1) -> Image.Image:
    """Upright, like a photo: four tinted quadrants under soft noise."""
    across, down = max(1, width // 2), max(1, height // 2)
    tints = [pyvips.Image.black(across, down) + list(tint) for tint in QUADRANTS]
    ground = pyvips.Image.arrayjoin(tints, across=2).resize(width / (2 * across), vscale=height / (2 * down))
    noise = [pyvips.Image.perlin(width, height, cell_size=48, seed=seed * 3 + band) * 30 for band in range(3)]
    mixed = ground.gravity("centre", width, height, extend="copy") + noise[0].bandjoin(noise[1:])
    return Image.frombytes("RGB", (width, height), mixed.cast("uchar").write_to_memory())


def jpeg(
    width: int = 640,
    height: int = 480,
    *,
    orientation: int | None = None,
    gps: bool = False,
    xmp: bool = False,
    profile: str | None = None,
    seed: int = 1,
    quality: int = 90,
) -> bytes:
    """`width` and `height` are upright. `profile` is one that libvips has: "p3", "srgb"."""
    image = picture(width, height, seed=seed)
    for turn in _TURNED_BACK.get(orientation or 1, []):
        image = image.transpose(turn)
    options = {"xmp": b"<x:xmpmeta>secret-xmp</x:xmpmeta>"} if xmp else {}
    if profile:
        options["icc_profile"] = bytes(pyvips.Image.profile_load(profile))
    return _saved(image, "JPEG", exif=exif(orientation, gps=gps), quality=quality, **options)


def exif(orientation: int | None = None, *, gps: bool = False) -> bytes:
    tags = Image.Exif()
    if orientation:
        tags[ExifTags.Base.Orientation] = orientation
    if gps:
        tags[ExifTags.Base.ImageDescription] = "<script>secret-description</script>"
        tags[ExifTags.Base.Make] = "SecretCamera"
        tags.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (55.0, 45.0, 7.0), 3: "E", 4: (37.0, 36.0, 56.0)})
    return tags.tobytes() if len(tags) else b""


def png(width: int = 640, height: int = 480, *, alpha: str | None = None, seed: int = 1) -> bytes:
    """`alpha`: None, "opaque", or "clear" (the left half is transparent)."""
    image = picture(width, height, seed=seed)
    if alpha:
        image.putalpha(255)
    if alpha == "clear":
        image.paste((0, 0, 0, 0), (0, 0, width // 2, height))
    return _saved(image, "PNG")


def png_16_bit(width: int = 640, height: int = 480, *, seed: int = 1) -> bytes:
    image = _vips(picture(width, height, seed=seed))
    data: bytes = image.colourspace("rgb16").pngsave_buffer(bitdepth=16)
    return data


def grey_jpeg(width: int = 640, height: int = 480, *, seed: int = 1) -> bytes:
    return _saved(picture(width, height, seed=seed).convert("L"), "JPEG")


def progressive_jpeg(width: int = 640, height: int = 480, *, seed: int = 1) -> bytes:
    return _saved(picture(width, height, seed=seed), "JPEG", progressive=True)


def cmyk_jpeg(width: int = 640, height: int = 480, *, with_profile: bool = True, seed: int = 1) -> bytes:
    image = _vips(picture(width, height, seed=seed)).icc_transform("cmyk", input_profile="srgb")
    data: bytes = image.jpegsave_buffer(keep="icc" if with_profile else "none", Q=90)
    return data


def webp(width: int = 640, height: int = 480, *, seed: int = 1) -> bytes:
    return _saved(picture(width, height, seed=seed), "WEBP")


def animated(kind: str, width: int = 320, height: int = 240, *, frames: int = 3) -> bytes:
    """`kind`: "WEBP" or "PNG" (APNG). The first frame is `picture(seed=1)`, the others are black."""
    black = [Image.new("RGB", (width, height), (index, 0, 0)) for index in range(frames - 1)]
    return _saved(picture(width, height), kind, save_all=True, append_images=black)


def heic(
    width: int = 640, height: int = 480, *, seed: int = 1, quality: int = 70, gps: bool = False, tile_size: int = 0
) -> bytes:
    """With `tile_size` (256 or more) it is made of tiles, as phones do it."""
    file = pillow_heif.from_pillow(picture(width, height, seed=seed))
    to = io.BytesIO()
    file.save(to, quality=quality, tile_size=tile_size, **({"exif": exif(gps=True)} if gps else {}))
    return to.getvalue()


def frame_template(width: int = 400, height: int = 400, *, border: int = 40) -> bytes:
    """A magenta frame with a transparent middle."""
    image = Image.new("RGBA", (width, height), (255, 0, 255, 255))
    image.paste((0, 0, 0, 0), (border, border, width - border, height - border))
    return _saved(image, "PNG")


def avif(width: int = 64, height: int = 48) -> bytes:
    return _saved(picture(width, height), "AVIF")


def tiff(width: int = 64, height: int = 48) -> bytes:
    return _saved(picture(width, height), "TIFF")


def cut(data: bytes, share: float = 0.5) -> bytes:
    return data[: int(len(data) * share)]


def polyglot(data: bytes) -> bytes:
    """With a script and a ZIP after its end."""
    return data + b"<script>alert('secret-tail')</script>PK\x03\x04" + b"secret-tail" * 50


def with_broken_exif(data: bytes) -> bytes:
    """A JPEG whose EXIF block is rubbish."""
    rubbish = b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xee" * 200
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(rubbish) + 2) + rubbish + data[2:]


def with_broken_profile(data: bytes, size: int = 60_000) -> bytes:
    """A JPEG whose colour profile is rubbish."""
    rubbish = b"ICC_PROFILE\0\1\1" + b"\xab" * size
    return data[:2] + b"\xff\xe2" + struct.pack(">H", len(rubbish) + 2) + rubbish + data[2:]


def claiming(width: int, height: int) -> bytes:
    """A tiny JPEG whose header claims this size."""
    data = bytearray(_saved(Image.new("RGB", (8, 8)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def png_claiming(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"\0" * 100)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def png_with_text(size: int = 50_000_000) -> bytes:
    """A small file that unpacks to much text."""
    data = png(64, 48)
    text = _chunk(b"zTXt", b"comment\0\0" + zlib.compress(b"\0" * size, 9))
    return data[:33] + text + data[33:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _vips(image: Image.Image) -> pyvips.Image:
    raw = pyvips.Image.new_from_memory(image.tobytes(), image.width, image.height, len(image.getbands()), "uchar")
    return raw.copy(interpretation="srgb")


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    to = io.BytesIO()
    image.save(to, kind, **{name: value for name, value in options.items() if value != b""})
    return to.getvalue()
