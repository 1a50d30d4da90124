"""How a picture becomes the network's input: written once, saved with the weights. Numpy and Pillow, no torch.

The paper says only that images are 299 x 299 pixels. Two ways to get there are known here, and a checkpoint records
which was used: "squash" scales both sides to 299, so that the whole picture stays in view and its aspect changes;
"crop" scales the shorter side to 299 and takes the centre, so that shapes are kept and the margins are lost.
Squash is the default: a lesion at the margin must not be cut off.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

INPUT_RANGES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    # name: (mean, standard deviation) of RGB in [0, 1], subtracted and divided by
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "inception": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),  # [-1, 1], as in the Inception papers' code
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),  # as torchvision's weights expect
}
SMALLEST, LARGEST = 75, 2048  # pixels of the input's side; Inception v3 needs 75
RESIZE_POLICIES = ("squash", "crop")
INTERPOLATION = "bilinear with antialiasing"  # Pillow's; recorded, so that a checkpoint of another is refused
# a function that opens a picture is called by the thread that decodes it
ImageSource = Image.Image | NDArray[np.uint8] | str | os.PathLike[str] | IO[bytes] | Callable[[], IO[bytes]]


class ImageError(Exception):
    """Why a picture cannot be used, in a sentence."""


@dataclass(frozen=True)
class Preprocessing:
    """size: side of the square input in pixels; resize: "squash" or "crop" (see above);
    mean, std: of each channel, for RGB scaled to [0, 1]."""

    size: int = 299
    resize: str = "squash"
    mean: tuple[float, float, float] = INPUT_RANGES["imagenet"][0]
    std: tuple[float, float, float] = INPUT_RANGES["imagenet"][1]
    interpolation: str = INTERPOLATION

    def __post_init__(self) -> None:
        if self.resize not in RESIZE_POLICIES:
            raise ValueError(f"resize must be one of {', '.join(RESIZE_POLICIES)}, not {self.resize!r}.")
        if self.interpolation != INTERPOLATION:
            raise ValueError(f"interpolation must be {INTERPOLATION!r}, not {self.interpolation!r}.")
        if not SMALLEST <= self.size <= LARGEST:
            raise ValueError(f"size must be {SMALLEST} to {LARGEST} pixels, not {self.size!r}.")
        if len(self.mean) != 3 or len(self.std) != 3 or not all(s > 0 for s in self.std):
            raise ValueError("mean and std must be three numbers each, those of std above 0.")

    @classmethod
    def for_range(cls, input_range: str, size: int = 299, resize: str = "squash") -> Self:
        """The preprocessing of a backbone whose input was "unit", "inception" or "imagenet"."""
        if input_range not in INPUT_RANGES:
            raise ValueError(f"The input range must be one of {', '.join(INPUT_RANGES)}, not {input_range!r}.")
        mean, std = INPUT_RANGES[input_range]
        return cls(size, resize, mean, std)

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The preprocessing that `to_json` wrote. Raises: ValueError for a missing, unknown or impossible field."""
        names = {field.name for field in dataclasses.fields(cls)}
        if names != set(value):
            wrong = ", ".join(sorted(names ^ set(value)))
            raise ValueError(f"The preprocessing must have the fields {', '.join(sorted(names))}; wrong: {wrong}.")
        return cls(**{**value, "mean": tuple(value["mean"]), "std": tuple(value["std"])})

    def pixels(self, image: Image.Image) -> NDArray[np.uint8]:
        """(size, size, 3) of a picture from `open_image`."""
        if self.resize == "crop":
            image = ImageOps.fit(image, (self.size, self.size), Image.Resampling.BILINEAR)
        else:
            image = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        return np.asarray(image, dtype=np.uint8)

    def normalise(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(..., size, size, 3) uint8 -> (..., 3, size, size) float32, as the network takes it."""
        scale = np.array(255.0 * np.asarray(self.std), dtype=np.float32)
        shift = np.array(np.asarray(self.mean) / np.asarray(self.std), dtype=np.float32)
        return np.moveaxis(pixels.astype(np.float32) / scale - shift, -1, -3)

    def __call__(self, image: Image.Image) -> NDArray[np.float32]:
        """(3, size, size) float32."""
        return self.normalise(self.pixels(image))


def open_image(source: ImageSource, at_least: int | None = None) -> Image.Image:
    """The picture of a path, an open binary file, a function that gives one, a Pillow image or an array (height, width,
    3) of RGB in uint8; upright by EXIF, RGB.

    It is decoded in full; or, where `at_least` is given and the file is a JPEG, at a half, a quarter or an eighth of
    its size as long as both sides keep that many pixels. Raises: ImageError where it is absent, no picture, cut off, or
    has more pixels than Pillow allows.
    """
    try:
        if isinstance(source, Image.Image):
            return upright_rgb(source)
        if isinstance(source, np.ndarray):
            return _from_array(source)
        if not (callable(source) or isinstance(source, str | os.PathLike) or hasattr(source, "read")):
            raise ImageError(f"A picture is a path, an open file, a Pillow image or an array, not {source!r:.40}.")
        with Image.open(source() if callable(source) else source) as image:
            if at_least is not None:
                image.draft(None, (at_least, at_least))
            return upright_rgb(image)
    except ImageError:
        raise
    except Exception as error:  # damaged files make Pillow's plugins raise nearly anything, struct.error for one
        raise ImageError(_reason(error)) from error


def _from_array(pixels: NDArray[Any]) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ImageError(
            f"An array must be (height, width, 3) of RGB in uint8, 0 to 255, not {pixels.shape} of {pixels.dtype}."
        )
    return Image.fromarray(np.ascontiguousarray(pixels))


def refuse_single(images: object) -> None:
    """Where several pictures are asked for. Raises: TypeError for one, whose letters would be taken for several."""
    if isinstance(images, str | bytes | os.PathLike | Image.Image):
        raise TypeError("Several pictures are asked for; give a single one as a list: [picture].")


def upright_rgb(image: Image.Image) -> Image.Image:
    """A copy in RGB, turned as its EXIF orientation says; transparency is laid over white, 16-bit grey scaled to 8.

    Raises: ImageError for floating-point numbers.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":  # of which nothing says what is black and what is white
        raise ImageError("The picture has floating-point numbers in place of grey values; save it with 8 bits.")
    if image.mode.startswith("I"):
        image = Image.fromarray(np.clip(np.asarray(image, dtype=np.float64) / 257, 0, 255).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "The file does not exist."
    if isinstance(error, Image.UnidentifiedImageError):
        return "The file is not a picture in a format that is read here."
    if isinstance(error, Image.DecompressionBombError):
        return "The picture has more pixels than a photograph can have."
    if isinstance(error, OSError) and error.strerror:
        return f"The file cannot be read: {error.strerror}."
    return f"The picture is damaged: {error}."
