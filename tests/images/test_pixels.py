"""Pictures from anyone: what is told apart, refused, turned, converted, and what of the file remains."""

import io
import random
from typing import Any

import numpy as np
import pytest
from django.conf import LazySettings
from PIL import ExifTags, JpegImagePlugin, PngImagePlugin
from PIL import Image as Pillow

from readerstudy.images import pixels
from readerstudy.images.errors import ImagesError
from readerstudy.images.pixels import encode, read_picture, thumbnail
from tests.images import material
from tests.images.material import picture, png_header


def saved(image: Pillow.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def array_of(content: bytes) -> np.ndarray:
    with Pillow.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def refusal(content: bytes, name: str) -> str:
    with pytest.raises(ImagesError) as caught:
        read_picture(content, name=name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "name", "media_type"),
    [
        ("JPEG", "a.jpg", "image/jpeg"), ("JPEG", "a.JPEG", "image/jpeg"), ("PNG", "f/a.png", "image/png"),
        ("TIFF", "a.tif", "image/png"), ("BMP", "a.bmp", "image/png"),
    ],
)  # fmt: skip
def test_what_is_accepted_and_how_it_is_stored(kind: str, name: str, media_type: str) -> None:
    content = picture(1, kind)
    found = read_picture(content, name=name)
    encoded = encode(found)
    assert (found.width, found.height) == (96, 72)
    assert encoded.media_type == media_type
    assert array_of(encoded.content).shape == (72, 96, 3)
    if kind != "JPEG":
        assert np.array_equal(array_of(encoded.content), material.pixels(1))


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (picture(1, "PNG"), "a.jpg", "This is a PNG by its content, but its name ends in “.jpg”. Name it .png."),
        (picture(1, "JPEG"), "a.png", "This is a JPEG by its content, but its name ends in “.png”."),
        (picture(1, "JPEG"), "a", "its name ends in “”"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "a.svg", "This is an SVG drawing"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<svg/>', "a.png", "This is an SVG drawing"),
        (picture(1, "GIF"), "a.gif", "This is a GIF"),
        (picture(1, "WEBP"), "a.webp", "This is a WebP picture"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "a.heic", "This is a HEIC picture"),
        (bytes(128) + b"DICM" + bytes(40), "a.dcm", "This is a DICOM file"),
        (b"%PDF-1.7", "a.jpg", "This is a PDF"),
        (b"PK\x03\x04" + bytes(40), "a.jpg", "This is a ZIP"),
        (b"<!DOCTYPE html><html>", "a.jpg", "This is a web page"),
        (b"", "a.jpg", "The file is empty"),
        (b"just text", "a.jpg", "no picture that is known here. Allowed are JPEG, PNG, TIFF, BMP"),
    ],
)
def test_bytes_count_and_names_do_not(content: bytes, name: str, words: str) -> None:
    assert words in refusal(content, name)


@pytest.mark.parametrize(("kind", "name"), [("JPEG", "a.jpg"), ("PNG", "a.png"), ("TIFF", "a.tif"), ("BMP", "a.bmp")])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_cut_off(kind: str, name: str, share: float) -> None:
    content = picture(1, kind)
    assert "damaged or cut off" in refusal(content[: int(len(content) * share)], name)


def test_a_jpeg_without_its_last_bytes() -> None:
    assert "damaged or cut off" in refusal(picture(1)[:-2], "a.jpg")


def test_200_megapixels_are_refused_before_a_pixel_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(*args: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", decoded)
    message = refusal(png_header(20_000, 10_000), "a.png")
    assert "20000 × 10000" in message
    assert "200 megapixels; allowed are 100" in message


def test_the_limit_itself_is_allowed(settings: LazySettings) -> None:
    settings.IMAGE_MAX_PIXELS = 96 * 72
    assert read_picture(picture(1), name="a.jpg").width == 96
    settings.IMAGE_MAX_PIXELS -= 1
    assert "96 × 72" in refusal(picture(1), "a.jpg")


def test_too_small() -> None:
    assert read_picture(picture(1, "PNG", (64, 64)), name="a.png").width == 64
    message = refusal(picture(1, "PNG", (200, 63)), "a.png")
    assert "200 × 63" in message
    assert "at least 64" in message


@pytest.mark.parametrize(("kind", "name"), [("PNG", "a.png"), ("TIFF", "a.tif")])
def test_animations_and_pages(kind: str, name: str) -> None:
    frames = [Pillow.fromarray(material.pixels(seed)) for seed in (1, 2)]
    assert "several pictures" in refusal(saved(frames[0], kind, save_all=True, append_images=frames[1:]), name)


def test_of_a_phones_jpeg_with_more_pictures_behind_it_the_first_counts() -> None:
    frames = [Pillow.fromarray(material.pixels(seed)) for seed in (1, 2)]
    content = saved(frames[0], "MPO", save_all=True, append_images=frames[1:])
    with Pillow.open(io.BytesIO(content)) as image:
        assert (image.format, image.n_frames) == ("MPO", 2)  # type: ignore[attr-defined]
    found = read_picture(content, name="a.jpg")
    assert np.abs(np.asarray(found.image).astype(int) - material.pixels(1)).mean() < 5
    assert encode(found).content.count(b"\xff\xd8\xff") == 1


# What each EXIF orientation asks for (EXIF 2.32, table 6), as numpy's turning of the picture as it lies in the file.
TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize(("kind", "name"), [("JPEG", "a.jpg"), ("PNG", "a.png"), ("TIFF", "a.tif")])
def test_the_picture_stands_upright(orientation: int, kind: str, name: str) -> None:
    exif = Pillow.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    lying = saved(Pillow.fromarray(material.pixels(1)), kind, exif=exif)
    found = read_picture(lying, name=name)
    with Pillow.open(io.BytesIO(picture(1, kind))) as image:
        expected = TURNS[orientation](np.asarray(image))
    assert np.array_equal(np.asarray(found.image), expected)
    again = read_picture(encode(found).content, name=f"a.{encode(found).ending}")
    assert again.image.size == found.image.size  # it is not turned a second time


def test_damaged_exif_does_not_keep_a_picture_out() -> None:
    content = saved(Pillow.fromarray(material.pixels(1)), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read_picture(content, name="a.jpg").width == 96


def test_another_colour_space_becomes_srgb() -> None:
    """Half of full intensity, linear (128 of 255), is 188 in sRGB: 255 (1.055 (128/255)^(1/2.4) - 0.055) = 187.8
    (IEC 61966-2-1)."""
    grey = Pillow.new("RGB", (64, 64), (128, 128, 128))
    found = read_picture(saved(grey, "PNG", icc_profile=material.linear_profile()), name="a.png")
    assert np.abs(np.asarray(found.image).astype(int) - 188).max() <= 1
    assert found.image.info == {}


def test_a_grey_picture_with_a_profile_for_colours() -> None:
    content = saved(Pillow.new("L", (64, 64), 128), "PNG", icc_profile=material.linear_profile())
    found = read_picture(content, name="a.png")
    assert found.image.mode == "RGB"
    assert np.abs(np.asarray(found.image).astype(int) - 188).max() <= 1


def test_a_damaged_profile() -> None:
    content = saved(Pillow.new("RGB", (64, 64)), "PNG", icc_profile=b"not a profile at all")
    assert "colour profile is damaged" in refusal(content, "a.png")


def test_cmyk_without_a_profile_is_refused() -> None:
    assert "CMYK" in refusal(saved(Pillow.new("CMYK", (64, 64)), "JPEG"), "a.jpg")


def test_cmyk_with_a_profile_for_something_else_is_refused() -> None:
    content = saved(Pillow.new("CMYK", (64, 64)), "JPEG", icc_profile=material.linear_profile())
    assert "profile is for RGB, its pixels are CMYK" in refusal(content, "a.jpg")


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_sixteen_bits_of_grey_are_refused(mode: str) -> None:
    assert "16 bits" in refusal(saved(Pillow.new(mode, (64, 64)), "TIFF"), "a.tif")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_modes(mode: str) -> None:
    image = Pillow.fromarray(material.pixels(1)).convert(mode)
    found = read_picture(saved(image, "PNG"), name="a.png")
    assert found.image.mode in ("L", "RGB")
    assert np.array_equal(array_of(encode(found).content), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency(mode: str) -> None:
    image = Pillow.fromarray(material.pixels(1)).convert(mode)
    assert np.array_equal(
        np.asarray(read_picture(saved(image, "PNG"), name="a.png").image), np.asarray(image.convert("RGB"))
    )
    image.putpixel((3, 4), (*image.getpixel((3, 4))[:-1], 254))  # type: ignore[index]
    assert "transparent" in refusal(saved(image, "PNG"), "a.png")


def test_a_transparent_colour_of_a_palette() -> None:
    image = Pillow.fromarray(material.pixels(1)).convert("P")
    assert "transparent" in refusal(saved(image, "PNG", transparency=int(np.asarray(image)[0, 0])), "a.png")


@pytest.mark.parametrize("quality", [50, 75, 95])
@pytest.mark.parametrize(("subsampling", "words"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_a_jpeg_keeps_its_coding_and_so_its_look(quality: int, subsampling: int, words: str) -> None:
    content = picture(1, size=(320, 240), quality=quality, subsampling=subsampling)
    found = read_picture(content, name="a.jpg")
    stored = encode(found).content
    with Pillow.open(io.BytesIO(content)) as a, Pillow.open(io.BytesIO(stored)) as b:
        assert isinstance(a, JpegImagePlugin.JpegImageFile)
        assert isinstance(b, JpegImagePlugin.JpegImageFile)
        assert [a.quantization[c[3]] for c in a.layer] == [b.quantization[c[3]] for c in b.layer]
        assert JpegImagePlugin.get_sampling(a) == JpegImagePlugin.get_sampling(b) == subsampling
        error = np.asarray(a).astype(float) - np.asarray(b)
    assert np.mean(error**2) < 255**2 / 10**4.5, words  # a signal-to-noise ratio of more than 45 dB


def test_a_grey_jpeg() -> None:
    content = saved(Pillow.fromarray(material.pixels(1)).convert("L"), "JPEG", quality=80)
    found = read_picture(content, name="a.jpg")
    assert found.image.mode == "L"
    assert encode(found).media_type == "image/jpeg"


def planted(kind: str) -> bytes:
    exif = Pillow.Exif()
    exif[ExifTags.Base.ImageDescription] = "PLANTED-IN-EXIF"
    exif[ExifTags.Base.Artist] = "PLANTED-ARTIST"
    options: dict[str, Any] = {"exif": exif, "icc_profile": material.linear_profile()}
    if kind == "JPEG":
        options |= {"comment": b"PLANTED-COMMENT", "xmp": b"PLANTED-IN-XMP", "dpi": (123, 123)}
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", "PLANTED-TEXT")
        text.add_itxt("XML:com.adobe.xmp", "PLANTED-IN-XMP")
        options["pnginfo"] = text
    return saved(Pillow.fromarray(material.pixels(1)), kind, **options) + b"PLANTED-AT-THE-END"


@pytest.mark.parametrize(("kind", "name"), [("JPEG", "a.jpg"), ("PNG", "a.png"), ("TIFF", "a.tif")])
def test_nothing_but_pixels_is_stored(kind: str, name: str) -> None:
    content = planted(kind)
    assert content.count(b"PLANTED") >= 3
    stored = encode(read_picture(content, name=name)).content
    assert b"PLANTED" not in stored
    assert b"Exif" not in stored
    assert b"ICC" not in stored
    with Pillow.open(io.BytesIO(stored)) as image:
        image.load()
        assert dict(image.getexif()) == {}
        assert not {"icc_profile", "exif", "xmp", "comment", "dpi"} & set(image.info)


def test_a_jpeg_has_no_segments_but_those_it_needs() -> None:
    stored = encode(read_picture(planted("JPEG"), name="a.jpg")).content
    markers, at = [], 2
    while stored[at + 1] != 0xDA:  # start of scan
        markers.append(stored[at + 1])
        at += 2 + int.from_bytes(stored[at + 2 : at + 4])
    # JFIF's own, quantisation tables, frame, Huffman tables (ITU-T T.81, table B.1)
    assert set(markers) == {0xE0, 0xDB, 0xC0, 0xC4}
    assert int.from_bytes(stored[4:6]) == 16  # APP0: JFIF without a thumbnail


def test_stored_bytes_depend_on_nothing_but_pixels_and_coding() -> None:
    plain = picture(1, quality=75)
    segments = ((0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\0"), (0xFE, b"melanoma"))  # EXIF, comment
    dressed = plain[:2]
    for marker, data in segments:
        dressed += bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2) + data
    dressed += plain[2:]
    one, other = read_picture(plain, name="a.jpg"), read_picture(dressed, name="b.jpeg")
    assert one.sha256 == other.sha256
    assert encode(one).content == encode(other).content


def test_the_hash_is_of_the_pixels() -> None:
    tall, wide = (Pillow.new("RGB", size, (1, 2, 3)) for size in ((64, 128), (128, 64)))
    hashes = {read_picture(saved(image, "PNG"), name="a.png").sha256 for image in (tall, wide)}
    assert len(hashes) == 2  # the same bytes of pixels, another shape
    image = Pillow.fromarray(material.pixels(1, (80, 700)))  # more rows than a strip
    png, bmp = (read_picture(saved(image, kind), name=f"a.{kind}").sha256 for kind in ("png", "bmp"))
    assert png == bmp
    changed = image.copy()
    changed.putpixel((79, 699), (0, 0, 1))
    assert read_picture(saved(changed, "PNG"), name="a.png").sha256 != png
    jpeg = picture(1)
    with Pillow.open(io.BytesIO(jpeg)) as decoded:
        as_png = saved(decoded, "PNG")
    assert read_picture(jpeg, name="a.jpg").sha256 == read_picture(as_png, name="a.png").sha256


def test_thumbnails() -> None:
    for kind in ("JPEG", "PNG"):
        small = thumbnail(picture(1, kind, (1600, 1200)))
        with Pillow.open(io.BytesIO(small)) as image:
            assert (image.format, image.size) == ("JPEG", (320, 240))


def test_pillows_own_limit_is_ours() -> None:
    assert pixels.Pillow.MAX_IMAGE_PIXELS is None


@pytest.mark.parametrize(("kind", "name"), [("JPEG", "a.jpg"), ("PNG", "a.png"), ("TIFF", "a.tif"), ("BMP", "a.bmp")])
def test_damage_of_any_kind_is_an_images_error(kind: str, name: str) -> None:
    whole = picture(1, kind, (70, 66))
    chance = random.Random(6)
    outcomes = {"read": 0, "refused": 0}  # anything else would be an error
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 10)):
            content[chance.randrange(len(content) if chance.random() < 0.5 else 200)] = chance.randrange(256)
        try:
            encode(read_picture(bytes(content), name=name))
            outcomes["read"] += 1
        except ImagesError:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 20
    assert outcomes["read"] > 20 or kind == "PNG"  # whose checksums find everything
