"""What `python -m model_core split` decided: which part or fold each image of a manifest is in. No torch here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model_core.dataset import LabelledImage
from model_core.manifest import DataError, read_table
from model_core.split.folds import EXCLUDED


@dataclass(frozen=True)
class Assignment:
    """of: the part or fold of each image, `EXCLUDED` for one that is to be left out; screened: whether the image is too
    blurred or too far away to be tested on."""

    of: tuple[str, ...]
    screened: tuple[bool, ...]

    def indices(self, part: str) -> list[int]:
        return [i for i, of in enumerate(self.of) if of == part]


def read_assignment(
    path: str | os.PathLike[str], column: str, images: Sequence[LabelledImage], folder: str | os.PathLike[str]
) -> Assignment:
    """Read the columns file, `column` ("part" or "fold") and, where it is there, screened.

    folder: that the files are relative to. Raises: DataError naming an image that has no row, or an empty value.
    """
    name = os.path.basename(os.fspath(path))
    rows = {row["file"]: (number, row) for number, row in read_table(path, required=("file", column))}
    of, screened = [], []
    for image in images:
        file = image.path.relative_to(Path(folder)).as_posix()
        if file not in rows:
            raise DataError(f"{name} has no row for {file!r} of the manifest.")
        number, row = rows[file]
        if not row[column]:
            raise DataError(f"{name}, row {number}, column {column}: it must not be empty.")
        of.append(row[column])
        screened.append(bool(row.get("screened")))
    return Assignment(tuple(of), tuple(screened))


def of_part(
    path: str | os.PathLike[str], part: str, images: Sequence[LabelledImage], folder: str | os.PathLike[str]
) -> tuple[LabelledImage, ...]:
    """The images of one part. Raises: DataError where it has none, naming the parts there are."""
    found = read_assignment(path, "part", images, folder)
    chosen = tuple(images[i] for i in found.indices(part))
    if not chosen:
        there = ", ".join(sorted(set(found.of) - {EXCLUDED}))
        raise DataError(
            f"{os.path.basename(os.fspath(path))} has no image in the part {part!r}; its parts are {there}."
        )
    return chosen
