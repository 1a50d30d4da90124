"""What a network made of pictures, as far as a run has come, on disk: an interrupted one goes on. No torch here."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_core.files import write_atomically
from model_core.listing import Listed, stamps

PART = 1024  # pictures in a file: what an interruption costs at most


@dataclass(frozen=True)
class FeatureParts:
    """A folder with a file for each `PART` pictures, named by a digest of `settings` and of the pictures' files.

    They hold features, or probabilities. settings: all else that these depend on: weights, preprocessing, precision.
    """

    folder: Path
    settings: Any

    def load(self, start: int, pictures: Sequence[Listed]) -> tuple[NDArray[np.float32], dict[int, str]] | None:
        """((m, ...) features, {index among them: why there are none}) of the pictures from `start`, if they are here
        and whole."""
        try:
            with np.load(self._file(start, pictures)) as stored:
                reasons = json.loads(str(stored["reasons"]))
                return stored["features"], {int(i): reason for i, reason in reasons.items()}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None

    def save(
        self, start: int, pictures: Sequence[Listed], features: NDArray[np.float32], reasons: dict[int, str]
    ) -> None:
        content = io.BytesIO()
        np.savez(content, features=features, reasons=np.array(json.dumps(reasons)))
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._file(start, pictures), content.getvalue())

    def remove(self) -> None:
        """When what they were for has been written."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _file(self, start: int, pictures: Sequence[Listed]) -> Path:
        digest = hashlib.sha256(json.dumps([self.settings, start, stamps(pictures)]).encode())
        return self.folder / f"{digest.hexdigest()[:32]}.npz"
