"""Labelled pictures: the rows of a manifest whose files are there, their training classes and their groups. No torch.

A group is what must stay on one side of any split: pictures that share a lesion or a patient, or are linked by a chain
of such pictures. A picture of which neither is known is a group of its own.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from model_core.checkpoint import group_digest
from model_core.manifest import DataError, read_manifest
from model_core.provenance import sha256_of
from model_core.taxonomy import Taxonomy, TaxonomyError, TrainingClass
from model_core.transforms import ImageError, open_image


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """path: of the file; disease: a node id; lesion and patient: ids, '' where unknown."""

    path: Path
    disease: str
    lesion: str = ""
    patient: str = ""


def read_labelled_images(
    manifest: str | os.PathLike[str], folder: str | os.PathLike[str], taxonomy: Taxonomy, *, absent_too: bool = False
) -> tuple[LabelledImage, ...]:
    """The pictures of a manifest (columns file, diagnosis and optional lesion_id, patient_id), in its order.

    absent_too: give pictures whose file is absent as well, for a caller that names and leaves out what it cannot read.
    Raises: DataError naming the row for an unknown diagnosis, a path that leaves the folder, or a file that is absent;
    or the folder where that is absent.
    """
    name, folder = os.path.basename(os.fspath(manifest)), Path(folder)
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    found = []
    for row in read_manifest(manifest):
        where = f"{name}, row {row.row}"
        try:
            disease = taxonomy.find(row.diagnosis)
        except TaxonomyError as error:
            raise DataError(f"{where}, column diagnosis: {error}") from error
        path = folder / PurePosixPath(row.file.replace("\\", "/"))
        if not absent_too and not path.is_file():
            raise DataError(f"{where}, column file: there is no file {row.file!r} in {folder}.")
        found.append(LabelledImage(path, disease, row.lesion_id, row.patient_id))
    return tuple(found)


def labelled_classes(diseases: Iterable[str], taxonomy: Taxonomy) -> tuple[TrainingClass, ...]:
    """One training class for each node that occurs as a label, in the taxonomy's order.

    Where one label lies above another (melanoma, and melanoma in situ), the class of the upper one holds what the lower
    one leaves, and is called unspecified.
    """
    counts = Counter(diseases)
    classes = []
    for node in taxonomy.nodes:
        if node not in counts:
            continue
        inner = [other for other in counts if other != node and node in taxonomy.ancestors(other)]
        if not inner:
            classes.append(taxonomy.whole_class(node, counts[node]))
            continue
        taken = {disease for other in inner for disease in taxonomy.descendants(other)}
        rest = tuple(disease for disease in taxonomy.descendants(node) if disease not in taken)
        classes.append(TrainingClass(taxonomy.unspecified_class(node).id, node, rest, counts[node]))
    return tuple(classes)


def class_targets(diseases: Sequence[str], classes: Sequence[TrainingClass]) -> NDArray[np.intp]:
    """(n,) index of each label's training class. Raises: DataError for a label that is in none."""
    index = {disease: i for i, training_class in enumerate(classes) for disease in training_class.diseases}
    if strays := sorted(set(diseases) - set(index)):
        raise DataError(f"No training class holds the diagnosis {', '.join(map(repr, strays[:5]))}.")
    return np.array([index[disease] for disease in diseases], dtype=np.intp)


def group_numbers(images: Sequence[LabelledImage]) -> NDArray[np.intp]:
    """(n,) each picture's group, from 0: the connected components of pictures that share a lesion or a patient."""
    parent = list(range(len(images)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, image in enumerate(images):
        for key in (("lesion", lesion_key(image)), ("patient", image.patient)):
            if key[1]:
                parent[root(i)] = root(first.setdefault(key, i))
    return np.unique([root(i) for i in range(len(images))], return_inverse=True)[1].astype(np.intp)


def lesion_key(image: LabelledImage) -> str:
    """The lesion's id; with the patient's before it, because some publishers number lesions within a patient."""
    return f"{image.patient}/{image.lesion}" if image.lesion and image.patient else image.lesion


@dataclass(frozen=True, slots=True)
class PictureDigests:
    """Hex SHA-256 of a file's bytes and of the picture as shown (see `pixel_digest`), '' where there is none; `reason`:
    why the picture cannot be used."""

    file: str
    pixels: str
    reason: str = ""


def picture_digests(paths: Iterable[Path]) -> Iterator[PictureDigests]:
    """Of each file, in order, absent and damaged ones too. Threads decode; few pictures are in memory at a time."""

    def digest(path: Path) -> PictureDigests:
        try:
            file = sha256_of(path)
        except OSError as error:
            return PictureDigests("", "", f"The file cannot be read: {error.strerror}.")
        try:
            return PictureDigests(file, pixel_digest(path))
        except ImageError as error:
            return PictureDigests(file, "", str(error))

    remaining = iter(paths)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="digest") as pool:
        waiting = deque(pool.submit(digest, path) for path in islice(remaining, 32))
        while waiting:
            done = waiting.popleft().result()
            waiting.extend(pool.submit(digest, path) for path in islice(remaining, 1))
            yield done


def leak_digests(
    images: Sequence[LabelledImage], digests: Iterable[PictureDigests] | None = None
) -> dict[str, list[str]]:
    """SHA-256 digests by which a later test set is checked against these pictures: of each file's bytes ("files"), of
    each decoded picture ("pixels", see `pixel_digest`), and of lesion and patient ids. Sorted: the order says nothing.

    digests: `picture_digests` of the images, where they are known already. A file that cannot be decoded has none of
    pixels.
    """
    found = list(picture_digests(image.path for image in images) if digests is None else digests)
    return {
        "files": sorted({d.file for d in found} - {""}),
        "pixels": sorted({d.pixels for d in found} - {""}),
        "lesions": sorted({group_digest("lesion", lesion_key(image)) for image in images if image.lesion}),
        "patients": sorted({group_digest("patient", image.patient) for image in images if image.patient}),
    }


def pixel_digest(path: str | os.PathLike[str]) -> str:
    """Hex SHA-256 of the picture as shown: "width x height", then its upright RGB pixels, row by row.

    It does not change when metadata are removed or the file is stored in another lossless format.
    Raises: ImageError.
    """
    image = open_image(path)
    return hashlib.sha256(b"%dx%d" % image.size + image.tobytes()).hexdigest()
