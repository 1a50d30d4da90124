"""What a run has done so far: a file for each few hundred pictures, so that a kill costs no more than one of them.

A part is named by a digest of what it was computed from and with: the settings, and the name and stamp of each picture.
So one that is there is right; where a picture, the model or an option has changed, it is not found, and computed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

from model_core.files import write_atomically
from model_core.manifest import DataError
from model_core.predict.inputs import Pictures

PART = 256  # pictures


@dataclass(frozen=True)
class Part:
    """Of the pictures start to stop - 1, in the file `path`."""

    start: int
    stop: int
    path: Path

    @property
    def done(self) -> bool:
        return self.path.is_file()

    def write(self, table: pa.Table) -> None:
        """Under the name there is either the whole part or nothing."""

        def fill(temporary: str) -> None:
            with pa.OSFile(temporary, "wb") as sink, pyarrow.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)

        write_atomically(self.path, fill)

    def read(self) -> pa.Table:
        try:
            with pa.OSFile(str(self.path), "rb") as source:
                return pyarrow.ipc.open_file(source).read_all()
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"{self.path} cannot be read ({error}). Delete it, and run the command again.") from error


@dataclass(frozen=True)
class Parts:
    folder: Path
    parts: tuple[Part, ...]
    digest: str  # of all of them

    def remove(self) -> None:
        """All of the folder's parts, those of runs that were given up as well."""
        for path in [*self.folder.glob("*.arrow"), *self.folder.glob(".*.arrow.*")]:
            path.unlink(missing_ok=True)
        self.folder.rmdir()


def plan(
    folder: Path, pictures: Pictures, diagnoses: Sequence[str] | None, settings: object, *, size: int = PART
) -> Parts:
    """settings: whatever changes a result, as JSON takes it."""
    base = json.dumps(settings, sort_keys=True)
    parts = []
    whole = hashlib.sha256()
    for start, stop in _slices(len(pictures.names), size):
        names = pictures.names[start:stop]
        labels = diagnoses[start:stop] if diagnoses else None
        content = json.dumps([base, start, names, [pictures.stamp(name) for name in names], labels])
        digest = hashlib.sha256(content.encode()).hexdigest()
        whole.update(digest.encode())
        parts.append(Part(start, stop, folder / f"{digest[:32]}.arrow"))
    return Parts(folder, tuple(parts), whole.hexdigest())


def _slices(n: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n, size):
        yield start, min(start + size, n)
