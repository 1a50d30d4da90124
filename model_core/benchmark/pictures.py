"""Pictures as the baselines' DataLoader takes them, in a module of its own because its workers import it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from torch.utils.data import Dataset


class Pictures(Dataset[tuple[Any, int]]):
    """`n` items: the files over and over, each through `transform`, with a class number."""

    def __init__(
        self, paths: Sequence[Path], transform: Callable[[Image.Image], Any], n: int, n_classes: int = 7
    ) -> None:
        self._paths, self._transform, self._n, self._n_classes = list(paths), transform, n, n_classes

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: int) -> tuple[Any, int]:
        with Image.open(self._paths[index % len(self._paths)]) as image:
            return self._transform(image.convert("RGB")), index % self._n_classes
