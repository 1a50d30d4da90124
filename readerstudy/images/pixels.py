"""A picture reduced to its pixels: decoded in full, upright, in sRGB, and written anew without anything else.

No byte of the upload itself is kept: EXIF, ICC profile, comments, thumbnails and whatever hides between the segments
end here.
"""

import hashlib
import io
import warnings
from dataclasses import dataclass
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils.translation import gettext as _
from PIL import ExifTags, ImageCms, ImageOps, JpegImagePlugin, TiffImagePlugin
from PIL import Image as Pillow

from readerstudy.images.errors import ImagesError
from readerstudy.images.sniffing import JPEG, TIFF, Format, sniff

MIN_SIDE = 64
_THUMB_SIDE = 320
_STRIP_ROWS = 256

# Pillow's own limit warns at 89 megapixels, by a global number. Ours is a setting, and is checked in `_decode` before
# a pixel is decoded.
Pillow.MAX_IMAGE_PIXELS = None
_SRGB = ImageCms.createProfile("sRGB")


@dataclass(frozen=True, slots=True)
class JpegCoding:
    """How a JPEG was compressed: a quantisation table for each component, and Pillow's number of its subsampling.

    Used again, they leave the picture as it was: what they rounded away once is not there to be rounded again.
    """

    tables: tuple[tuple[int, ...], ...]
    subsampling: int


@dataclass(frozen=True, slots=True)
class Picture:
    """Upright pixels in sRGB, `image.mode` RGB or L, with nothing attached. `sha256` is of the pixels as RGB."""

    image: Pillow.Image
    sha256: str
    coding: JpegCoding | None

    @property
    def width(self) -> int:
        return self.image.width

    @property
    def height(self) -> int:
        return self.image.height


@dataclass(frozen=True, slots=True)
class Encoded:
    content: bytes
    media_type: str
    ending: str


def read_picture(content: bytes, *, name: str) -> Picture:
    """Decode a picture whose bytes come from anyone; `name` is compared with what it is.

    Raises: ImagesError saying, for a study coordinator, what is wrong with it.
    """
    found = sniff(content, name=name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on odd metadata, which is thrown away below
        try:
            return _decode(content, found)
        except (ImagesError, SoftTimeLimitExceeded):
            raise
        except Exception as error:  # a decoder fed with anything may raise anything
            raise ImagesError(_("The picture is damaged or cut off: it cannot be decoded (%s).") % error) from error


def encode(picture: Picture) -> Encoded:
    """The bytes that are stored: a JPEG in the coding that it had, anything else as PNG. A function of the pixels."""
    buffer = io.BytesIO()
    if picture.coding is None:
        picture.image.save(buffer, "PNG")
        return Encoded(buffer.getvalue(), "image/png", "png")
    picture.image.save(
        buffer, "JPEG", qtables=[list(table) for table in picture.coding.tables],
        subsampling=picture.coding.subsampling, optimize=True,
    )  # fmt: skip
    return Encoded(buffer.getvalue(), "image/jpeg", "jpg")


def thumbnail(content: bytes) -> bytes:
    """A small JPEG of a stored picture."""
    with Pillow.open(io.BytesIO(content), formats=["JPEG", "PNG"]) as image:
        image.draft("RGB", (2 * _THUMB_SIDE, 2 * _THUMB_SIDE))
        small = image.convert("RGB")
    small.thumbnail((_THUMB_SIDE, _THUMB_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _decode(content: bytes, found: Format) -> Picture:
    image: Pillow.Image = Pillow.open(io.BytesIO(content), formats=[found.name])
    _check_size(image)
    # A phone's JPEG may carry further pictures (depth, a brighter rendering) behind the one that is meant.
    if found != JPEG and getattr(image, "n_frames", 1) > 1:
        raise ImagesError(_("The file has several pictures in it (an animation or pages). Save the one as a file."))
    if found == TIFF:
        _check_tiles(image)
    image.load()
    coding = _jpeg_coding(image)
    upright = _upright(image)
    if coding and coding.subsampling == 1 and upright.size != image.size:
        coding = JpegCoding(coding.tables, 0)  # 4:2:2 on its side: Pillow cannot write 4:4:0
    pixels = _to_srgb(_plain(upright, image), image.info.get("icc_profile"))
    if pixels is image:
        pixels = image.copy()  # a plain image in place of the file's
    pixels.info = {}
    return Picture(pixels, _sha256(pixels), coding)


def _check_size(image: Pillow.Image) -> None:
    width, height = image.size
    if width * height > settings.IMAGE_MAX_PIXELS:
        raise ImagesError(
            _("The picture has %(width)d × %(height)d pixels, %(n).0f megapixels; allowed are %(limit).0f.")
            % {"width": width, "height": height, "n": width * height / 1e6, "limit": settings.IMAGE_MAX_PIXELS / 1e6}
        )
    if min(width, height) < MIN_SIDE:
        raise ImagesError(
            _("The picture has %(width)d × %(height)d pixels; its smaller side must have at least %(least)d.")
            % {"width": width, "height": height, "least": MIN_SIDE}
        )


def _check_tiles(image: Pillow.Image) -> None:
    """A TIFF's tiles may be larger than the picture, and are allocated as large as the file says."""
    tags: Any = getattr(image, "tag_v2", {})
    if tags.get(TiffImagePlugin.TILEWIDTH, 0) * tags.get(TiffImagePlugin.TILELENGTH, 0) > settings.IMAGE_MAX_PIXELS:
        raise ImagesError(_("The TIFF is made of tiles that are larger than a picture may be."))


def _jpeg_coding(image: Pillow.Image) -> JpegCoding | None:
    """None where the source is no JPEG, or one whose coding cannot be used again (CMYK)."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or image.mode not in ("L", "RGB"):
        return None
    tables = tuple(tuple(image.quantization[component[3]]) for component in image.layer)
    if max(map(max, tables)) > 255:  # 12-bit tables: baseline JPEG has bytes
        return None
    return JpegCoding(tables, max(JpegImagePlugin.get_sampling(image), 0))


def _upright(image: Pillow.Image) -> Pillow.Image:
    """Turned as the camera says; where that cannot be read, as it lies (as browsers show it)."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        return ImageOps.exif_transpose(image) if orientation != 1 else image
    except Exception:
        return image


def _plain(image: Pillow.Image, source: Pillow.Image) -> Pillow.Image:
    """Eight bits in mode L, RGB or CMYK, without transparency."""
    if image.mode[0] in "IF":
        raise ImagesError(_("The picture has 16 bits or more of grey. Save it as an ordinary 8-bit colour picture."))
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in source.info:
        image = image.convert("RGBA")
        darkest, _brightest = image.getchannel("A").getextrema()
        if float(str(darkest)) < 255:
            raise ImagesError(_("The picture has transparent parts. Save it without transparency."))
        return image.convert("RGB")
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("P", "YCbCr", "RGBX"):
        return image.convert("RGB")
    if image.mode not in ("L", "RGB", "CMYK"):
        raise ImagesError(_("The picture's colours are in the mode %s. Save it as an RGB picture.") % image.mode)
    return image


def _to_srgb(image: Pillow.Image, profile: bytes | None) -> Pillow.Image:
    if not profile:
        if image.mode == "CMYK":
            raise ImagesError(
                _("The picture is CMYK without a colour profile: its colours cannot be told. Save as RGB.")
            )
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space == "RGB" and image.mode == "L":
            image = image.convert("RGB")
        if {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space) != image.mode:
            raise ImagesError(
                _("The picture's colour profile is for %(space)s, its pixels are %(mode)s. Save it as sRGB.")
                % {"space": space, "mode": image.mode}
            )
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        raise ImagesError(_("The picture's colour profile is damaged (%s). Save it as sRGB.") % error) from error
    assert converted is not None  # only with inPlace
    return converted


def _sha256(image: Pillow.Image) -> str:
    """Over width, height and the pixels as RGB bytes, row by row; in strips, so that no second copy is needed."""
    digest = hashlib.sha256(f"{image.width}x{image.height}".encode())
    for top in range(0, image.height, _STRIP_ROWS):
        strip = image.crop((0, top, image.width, min(top + _STRIP_ROWS, image.height)))
        digest.update(strip.convert("RGB").tobytes())
    return digest.hexdigest()
