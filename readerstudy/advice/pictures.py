"""The pictures of advice, drawn anew from pixels: nothing of the stored files but what is to be seen."""

import io

import numpy as np
from PIL import Image as Pillow

from readerstudy.advice import known
from readerstudy.advice.door import Told
from readerstudy.advice.errors import AdviceError
from readerstudy.images.models import Image
from readerstudy.scoring.models import SaliencyMap
from readerstudy.studies.models import Arm, CaseImage

NEIGHBOUR_SIDE = 320  # px of the longer side
OVERLAY_SIDE = 800
MEDIA_TYPE = "image/jpeg"
BRIGHT = (255, 214, 0)  # of the pixels that the answer hangs on most: told from grey by lightness alone
MOST_COVERED = 0.85  # of a pixel at most, so that the picture stays to be seen


def picture_of(told: Told, number: int) -> bytes | None:
    """The `number`-th picture (from 1) of a piece of advice as a JPEG; None: it has no such picture."""
    if told.arm.advice == Arm.Advice.NEIGHBOURS:
        images = told.detail["images"]
        image = known.image_of(images[number - 1][0], told.arm) if 1 <= number <= len(images) else None
        return None if image is None else _jpeg(_opened(image, NEIGHBOUR_SIDE))
    if told.arm.advice == Arm.Advice.SALIENCY:
        pictures = overlaid(told)
        return _overlay(pictures[number - 1], told) if 1 <= number <= len(pictures) else None
    return None


def overlaid(told: Told) -> list[CaseImage]:
    """The pictures on the screen that have a map."""
    return [picture for picture in told.shown.pictures if picture.position in told.detail["pictures"]]


def sizes_of_neighbours(told: Told) -> dict[str, tuple[int, int]]:
    """uuid -> (width, height) as its picture is served."""
    images = Image.objects.filter(uuid__in=[uuid for uuid, _node, _cosine in told.detail["images"]])
    found = images.values_list("uuid", "width", "height")
    return {str(uuid): size_within(width, height, NEIGHBOUR_SIDE) for uuid, width, height in found}


def size_within(width: int, height: int, side: int) -> tuple[int, int]:
    """(width, height) shrunk until the longer side is at most `side`."""
    shrink = min(1.0, side / max(width, height))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def _overlay(picture: CaseImage, told: Told) -> bytes:
    """The picture in grey, and yellow over it where the model's map is bright."""
    found = SaliencyMap.objects.filter(image=picture.image_id, model_version__sha256=told.detail["model"]).first()
    if found is None:
        raise AdviceError(f"There is no saliency map of image {picture.image_id}.")
    grey = _opened(Image.objects.only("file").get(pk=picture.image_id), OVERLAY_SIDE).convert("L")
    with Pillow.open(io.BytesIO(bytes(found.png))) as drawn:
        levels = np.asarray(drawn.convert("L").resize(grey.size, Pillow.Resampling.BILINEAR), np.float32) / 255
    covered = (levels * MOST_COVERED)[:, :, None]
    base = np.asarray(grey, np.float32)[:, :, None] * 0.8
    mixed = base * (1 - covered) + np.array(BRIGHT, np.float32) * covered
    return _jpeg(Pillow.fromarray(mixed.round().astype(np.uint8)))


def _opened(image: Image, side: int) -> Pillow.Image:
    try:
        with image.file.open("rb") as file, Pillow.open(file) as picture:
            size = size_within(*picture.size, side)
            picture.draft("RGB", size)
            return picture.convert("RGB").resize(size, Pillow.Resampling.LANCZOS)
    except OSError as error:
        raise AdviceError(f"The picture of image {image.pk} cannot be read: {error}.") from error


def _jpeg(picture: Pillow.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88, optimize=True)
    return buffer.getvalue()
