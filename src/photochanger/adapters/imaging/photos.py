"""Opens pictures of strangers and turns them into plain ones: upright, sRGB, 8 bits. Runs in workers only.

The header is judged before anything is decoded. Formats but the accepted ones are blocked in libvips itself.
"""

import io
from typing import BinaryIO, Protocol

import pillow_heif
import pyvips

from photochanger.adapters.imaging.heic import check_whole
from photochanger.adapters.imaging.results import TooManyPixels, Unreadable
from photochanger.core import limits

_LOADERS = {"image/jpeg": "jpeg", "image/png": "png", "image/webp": "webp"}
_SRGB = b"sRGB IEC61966-2.1"
_TURNED_SIDEWAYS = range(5, 9)
"""EXIF orientations in which width and height change places."""


class Photo(Protocol):
    width: int
    height: int
    """Upright, full size."""

    def fit(self, width: int, height: int) -> pyvips.Image:
        """In memory, scaled down (never up) into the box; alpha only where something is transparent. Call it once."""
        ...


def allow_only_accepted_formats() -> None:
    pyvips.operation_block_set("VipsForeignLoad", True)  # noqa: FBT003
    for name in ("Jpeg", "Png", "Webp"):
        pyvips.operation_block_set(f"VipsForeignLoad{name}", False)  # noqa: FBT003


def open_photo(stream: BinaryIO, media_type: str) -> Photo:
    """Reads the header. Raises Unreadable, or TooManyPixels."""
    photo: Photo = _HeicPhoto(stream) if media_type == "image/heic" else _VipsPhoto(stream, media_type)
    if min(photo.width, photo.height) < 1:
        raise Unreadable("it has no pixels")
    if photo.width * photo.height > limits.PIXELS or max(photo.width, photo.height) > limits.SIDE_PIXELS:
        raise TooManyPixels(f"{photo.width} × {photo.height}")
    return photo


class _VipsPhoto:
    def __init__(self, stream: BinaryIO, media_type: str) -> None:
        self._source = pyvips.SourceCustom()
        self._source.on_read(lambda size: stream.read(size) or None)
        try:
            header = pyvips.Image.new_from_source(self._source, "", access="sequential")
        except pyvips.Error as error:
            raise Unreadable("its header makes no sense") from error
        fields = header.get_fields()
        if not str(header.get("vips-loader")).startswith(_LOADERS[media_type]):
            raise Unreadable("it is of another format than its first bytes say")
        is_sideways = "orientation" in fields and header.get("orientation") in _TURNED_SIDEWAYS
        size = (header.width, header.height)
        self.width, self.height = reversed(size) if is_sideways else size
        self._profile = _profile_wanted(header)

    def fit(self, width: int, height: int) -> pyvips.Image:
        try:
            image = pyvips.Image.thumbnail_source(
                self._source,
                width,
                height=height,
                size="down",
                **self._profile,
                # The argument `fail_on` is ignored here, and a picture that is cut short would come out half grey.
                option_string="fail_on=truncated",
            )
            return _plain(image)
        except pyvips.Error as error:
            raise Unreadable("its pixels cannot be decoded") from error


class _HeicPhoto:
    def __init__(self, stream: BinaryIO) -> None:
        data = stream.read()
        check_whole(data)
        try:
            self._heif = pillow_heif.open_heif(io.BytesIO(data))
            self.width, self.height = self._heif.size
        except Exception as error:
            raise Unreadable("its header makes no sense") from error

    def fit(self, width: int, height: int) -> pyvips.Image:
        try:
            image = self._decoded()
            return _plain(image.thumbnail_image(width, height=height, size="down", **_profile_wanted(image)))
        except Exception as error:
            raise Unreadable("its pixels cannot be decoded") from error

    def _decoded(self) -> pyvips.Image:
        """HEIF turns and mirrors its pictures itself: the EXIF orientation says the same again and is not used."""
        picture = self._heif.to_pillow()
        if picture.mode not in {"RGB", "RGBA"}:
            picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        bands = len(picture.getbands())
        image = pyvips.Image.new_from_memory(picture.tobytes(), picture.width, picture.height, bands, "uchar")
        image = image.copy(interpretation="srgb")
        if profile := self._heif.info.get("icc_profile"):
            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
        return image


def _profile_wanted(image: pyvips.Image) -> dict[str, str]:
    """The option that converts to sRGB, only where it has to: it takes a second for 9 megapixels."""
    if "icc-profile-data" in image.get_fields():
        return {} if _SRGB in image.get("icc-profile-data") else {"export_profile": "srgb"}
    return {"export_profile": "srgb"} if image.interpretation == "cmyk" else {}


def _plain(image: pyvips.Image) -> pyvips.Image:
    """Three bands of 8 bits, or four where something is transparent; decoded here and now."""
    image = image.colourspace("srgb").cast("uchar").copy_memory()
    if image.hasalpha() and image[image.bands - 1].min() == 255:  # noqa: PLR2004 – opaque
        image = image[: image.bands - 1].copy_memory()
    return image
