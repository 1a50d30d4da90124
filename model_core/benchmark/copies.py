"""How many changed copies of an image the similarity graph finds, and how many strangers it joins. No torch here.

Copies are planted among real images: stored again, turned, mirrored, cropped, lit differently. The graph sees their
pixels alone, by the thresholds of `split`; a copy is found where it lies in the component of its original.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from model_core.files import write_atomically
from model_core.manifest import DataError, ManifestRow, read_manifest
from model_core.provenance import seed_option, write_record
from model_core.split.components import Components, Similarity, similarity_components
from model_core.split.hashing import perceptual_hash
from model_core.split.keypoints import Keypoints, describe
from model_core.transforms import ImageError, open_image

SUMMARY = "recall of the similarity graph on planted copies, and false joins among strangers"

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def stored(image: Image.Image, quality: int) -> Image.Image:
    """As it comes back from a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def _crop(image: Image.Image, share: float, rng: np.random.Generator) -> Image.Image:
    w, h = round(image.width * share), round(image.height * share)
    x, y = int(rng.integers(0, image.width - w + 1)), int(rng.integers(0, image.height - h + 1))
    return image.crop((x, y, x + w, y + h))


def _lit(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.65, 1.35))
    return ImageEnhance.Contrast(image).enhance(rng.uniform(0.75, 1.25))


def _transposed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.transpose(list(Image.Transpose)[rng.integers(0, 7)])


CHANGES: dict[str, Change] = {
    "stored again, half the size": lambda i, r: stored(
        i.resize((i.width // 2, i.height // 2)), int(r.integers(40, 90))
    ),
    "quarter turns and mirrors": lambda i, r: stored(_transposed(i, r), 85),
    "turned by 4 to 20 degrees": lambda i, r: stored(i.rotate(r.uniform(4, 20), Image.Resampling.BICUBIC), 85),
    "cropped to 80 % of each side": lambda i, r: stored(_crop(i, 0.8, r), 85),
    "brightened or darkened": lambda i, r: stored(_lit(i, r), 85),
    "mirrored, cropped, lit, stored": lambda i, r: stored(_lit(_crop(_transposed(i, r), 0.85, r), r), 70),
}


@dataclass(frozen=True)
class Recall:
    """planted copies of one kind, and how many of them are in the component of their original."""

    planted: int
    found: int


@dataclass(frozen=True)
class Copies:
    """recall: by change; strangers: pairs of originals of different lesions; joined: (file, other) of those that an
    edge joins; in_one_component: pairs of them that are in one component, also by way of copies or others."""

    originals: int
    recall: dict[str, Recall]
    strangers: int
    joined: tuple[tuple[str, str], ...]
    in_one_component: int

    def table(self) -> str:
        lines = [f"{self.originals} images, a copy of each kind of each", f"{'change':<34}planted   found  recall"]
        for change, r in self.recall.items():
            lines.append(f"{change:<34}{r.planted:>7}{r.found:>8}{r.found / r.planted:>8.1%}")
        planted, found = (sum(getattr(r, n) for r in self.recall.values()) for n in ("planted", "found"))
        lines.append(f"{'all':<34}{planted:>7}{found:>8}{found / planted:>8.1%}")
        lines.append(
            f"Of {self.strangers} pairs of originals of different lesions, {len(self.joined)} are joined by an edge, "
            f"{self.in_one_component} are in one component."
        )
        return "\n".join(lines + [f"  joined: {a} and {b}" for a, b in self.joined[:20]])


def planted_components(
    originals: Sequence[Image.Image], rng: np.random.Generator, similarity: Similarity | None = None
) -> tuple[Components, list[tuple[int, str]]]:
    """The graph over the originals and, after them, a copy of each by each change; (original, change) of each copy."""
    from tqdm import tqdm

    hashes: list[NDArray[np.uint8]] = []
    keypoints: list[Keypoints] = []
    copies: list[tuple[int, str]] = []

    def look(image: Image.Image) -> None:
        hashes.append(perceptual_hash(image))
        keypoints.append(describe(image))

    for image in originals:
        look(image)
    for i, image in enumerate(tqdm(originals, unit=" images", desc="Copies", disable=None)):
        for name, change in CHANGES.items():
            look(change(image, rng))
            copies.append((i, name))
    components = similarity_components(len(hashes), hashes=np.stack(hashes), keypoints=keypoints, similarity=similarity)
    return components, copies


def measure(
    originals: Sequence[Image.Image], rows: Sequence[ManifestRow], seed: int, similarity: Similarity | None = None
) -> Copies:
    """Plant copies of the originals and look for them. rows: of the manifest, one for each original."""
    components, copies = planted_components(originals, np.random.default_rng(seed), similarity)
    n = len(originals)
    found = dict.fromkeys(CHANGES, 0)
    for position, (original, change) in enumerate(copies, start=n):
        found[change] += int(components.of[position] == components.of[original])
    lesion = np.array([row.lesion_id or f"image {i}" for i, row in enumerate(rows)])
    first, second = np.triu_indices(n, 1)
    strangers = lesion[first] != lesion[second]
    together = components.of[first] == components.of[second]
    joined = {
        (rows[e.first].file, rows[e.second].file)
        for e in components.edges
        if e.second < n and lesion[e.first] != lesion[e.second]
    }
    return Copies(
        n,
        {change: Recall(n, k) for change, k in found.items()},
        int(strangers.sum()),
        tuple(sorted(joined)),
        int((strangers & together).sum()),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = SUMMARY
    parser.add_argument("--manifest", type=Path, required=True, help="CSV: file, diagnosis and lesion_id")
    parser.add_argument("--images", type=Path, required=True, help="the folder that `file` is relative to")
    parser.add_argument("--sample", type=int, default=100, help="originals, drawn at random (default: %(default)s)")
    parser.add_argument("--seed", type=seed_option, default=0, help="of sample and changes (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")


def run(args: argparse.Namespace) -> int:
    """Print the table; write the numbers and a record."""
    if args.sample < 2:
        raise DataError(f"The sample must be of at least 2 images, not {args.sample}.")
    rows = read_manifest(args.manifest)
    order = np.random.default_rng(args.seed).permutation(len(rows))[: args.sample]
    originals, kept = [], []
    for i in sorted(order.tolist()):
        try:
            originals.append(open_image(args.images / rows[i].file))
            kept.append(rows[i])
        except ImageError as error:
            print(f"{rows[i].file}: {error}")
    if len(kept) < 2:
        raise DataError(f"Only {len(kept)} of the images of {args.manifest} can be read.")
    found = measure(originals, kept, args.seed)
    try:
        write_atomically(args.out, (json.dumps(asdict(found), indent=1) + "\n").encode())
    except OSError as error:
        raise DataError(f"{args.out} cannot be written: {error.strerror}.") from error
    write_record(args.out, "benchmark copies", args, inputs=[args.manifest, args.images], results=asdict(found))
    print(found.table())
    return 0
