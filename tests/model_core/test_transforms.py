"""Preprocessing: shapes, ranges, orientation, odd pictures; every reason why one cannot be used."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_core.transforms import INPUT_RANGES, ImageError, Preprocessing, open_image, refuse_single


def gradient(width: int = 64, height: int = 48) -> Image.Image:
    """Red grows from left to right, green from top to bottom."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, np.full_like(x, 128)], -1).astype(np.uint8))


def encoded(image: Image.Image, **options: object) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    buffer.seek(0)
    return buffer


def test_shape_and_type() -> None:
    found = Preprocessing()(gradient())
    assert found.shape == (3, 299, 299)
    assert found.dtype == np.float32


# A white pixel is 1 of [0, 1]: unit 1; inception (1 - 0.5) / 0.5 = 1; imagenet red (1 - 0.485) / 0.229 = 2.2489;
# a black one: 0; -1; -0.485 / 0.229 = -2.1179.
@pytest.mark.parametrize(
    ("name", "white", "black"), [("unit", 1, 0), ("inception", 1, -1), ("imagenet", 2.2489, -2.1179)]
)
def test_input_ranges(name: str, white: float, black: float) -> None:
    preprocessing = Preprocessing.for_range(name)
    for colour, expected in (("white", white), ("black", black)):
        red = preprocessing(Image.new("RGB", (10, 10), colour))[0]
        np.testing.assert_allclose(red, expected, atol=1e-4)


def test_imagenet_range_is_torchvisions() -> None:
    from torchvision.transforms.functional import normalize, to_tensor

    mean, std = INPUT_RANGES["imagenet"]
    image = gradient(299, 299)
    expected = normalize(to_tensor(image), mean, std).numpy()
    np.testing.assert_allclose(Preprocessing.for_range("imagenet")(image), expected, atol=1e-5)


def test_squash_keeps_the_margins_and_crop_the_shape() -> None:
    image = Image.new("RGB", (200, 100), "black")
    image.paste("white", (0, 0, 20, 100))  # a white margin at the left
    assert Preprocessing(resize="squash").pixels(image)[:, 0].min() > 250
    assert Preprocessing(resize="crop").pixels(image).max() == 0  # the centre 100 x 100 begins at 50


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: shown, the picture is rotated by 90 degrees clockwise
    image = gradient(64, 48)
    found = open_image(encoded(image, format="PNG", exif=exif))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(image.rotate(-90, expand=True)))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I;16", "RGB"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    grey = np.full((20, 30), 32896, np.uint16)  # 128 * 257
    image = Image.fromarray(grey) if mode == "I;16" else Image.new("RGB", (30, 20), (255, 255, 255)).convert(mode)
    found = open_image(image)
    assert found.mode == "RGB"
    expected = 128 if mode == "I;16" else 255
    assert abs(int(np.asarray(found).mean()) - expected) <= 1


def test_transparency_lies_over_white() -> None:
    found = open_image(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), format="PNG"))
    assert np.asarray(found).min() == 255


def test_pictures_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        open_image(tmp_path / "absent.jpg")
    with pytest.raises(ImageError, match="cannot be read: Is a directory"):
        open_image(tmp_path)
    for content in (b"", b"GIF", b"<svg xmlns='http://www.w3.org/2000/svg'/>"):
        with pytest.raises(ImageError, match="not a picture"):
            open_image(io.BytesIO(content))
    whole = encoded(gradient(), format="JPEG").getvalue()
    with pytest.raises(ImageError, match="damaged"):
        open_image(io.BytesIO(whole[: len(whole) // 2]))
    whole = encoded(gradient(), format="PNG").getvalue()
    with pytest.raises(ImageError, match="damaged"):
        open_image(io.BytesIO(whole[: len(whole) // 2]))


def test_picture_with_too_many_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageError, match="more pixels"):
        open_image(encoded(gradient(), format="PNG"))


def test_an_array_is_a_picture_if_it_can_only_mean_one_thing() -> None:
    pixels = np.asarray(gradient())
    assert np.array_equal(np.asarray(open_image(pixels)), pixels)
    for wrong in (pixels / 255.0, pixels[..., 0], pixels.transpose(2, 0, 1)):
        with pytest.raises(ImageError, match="RGB in uint8"):
            open_image(wrong)
    with pytest.raises(ImageError, match="a path, an open file, a Pillow image or an array, not None"):
        open_image(None)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="floating-point"):
        open_image(Image.fromarray(np.zeros((4, 4), np.float32)))


def test_a_single_picture_is_not_taken_for_several() -> None:
    """A path's letters would each be a missing file."""
    for one in ("a.jpg", Path("a.jpg"), gradient()):
        with pytest.raises(TypeError, match="as a list"):
            refuse_single(one)
    refuse_single(["a.jpg"])


def test_json_round_trip_and_errors() -> None:
    preprocessing = Preprocessing.for_range("unit", resize="crop")
    value = json.loads(json.dumps(preprocessing.to_json()))
    assert Preprocessing.from_json(value) == preprocessing
    for change in (
        {"size": 10},
        {"resize": "stretch"},
        {"std": [1, 1, 0]},
        {"mean": [0]},
        {"sharpen": True},
        {"interpolation": "x"},
    ):
        with pytest.raises(ValueError, match="must"):
            Preprocessing.from_json({**value, **change})
    with pytest.raises(ValueError, match="wrong: size"):
        Preprocessing.from_json({k: v for k, v in value.items() if k != "size"})
