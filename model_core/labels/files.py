"""The folder of images that label files speak of: which are there, empty, or there twice."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from model_core.files import IMAGE_SUFFIXES, files_within
from model_core.labels.values import image_id, published_id
from model_core.manifest import DataError
from model_core.provenance import sha256_of


class ImageFolder:
    """Every image under `root`, by its path and by its id. Paths are relative to `root`, with "/".

    Raises: DataError where `root` is no folder.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise DataError(f"{root} is not a folder; give the one that the images lie in.")
        self.root = root
        self.size: dict[str, int] = {}
        self._by_id: dict[str, list[str]] = defaultdict(list)
        for path in files_within(root):
            if path.name.lower().endswith(IMAGE_SUFFIXES) and path.is_file():  # not a link to what is not there
                relative = path.relative_to(root).as_posix()
                self.size[relative] = path.stat().st_size
                self._by_id[published_id(path.name) or image_id(path.name)].append(relative)
        self._unused = set(self.size)

    def find(self, named: str, beside: Path, image: str) -> str:
        """The path of the file that a row names, relative to its label file or to `root`; else, found by its id.

        A name with a folder is looked for there only. A bare name is also looked for at any depth, and a publisher's
        identifier whatever the suffix, as sets are often stored anew. Empty where there is none. What is found counts
        as used.
        """
        for candidate in (beside / named, self.root / named) if named else ():
            relative = Path(os.path.relpath(candidate, self.root)).as_posix()
            if relative in self.size:
                self._unused.discard(relative)
                return relative
        if "/" in named:
            return ""
        identifier = published_id(image)
        found = self._by_id.get(identifier or image, [])
        if named and not identifier:
            found = [path for path in found if Path(path).name == named]
        self._unused.difference_update(found)
        return found[0] if found else ""

    def others(self, path: str, image: str) -> list[str]:
        """The other files with the same id."""
        return [other for other in self._by_id.get(published_id(image) or image, []) if other != path]

    def unused(self) -> list[str]:
        return sorted(self._unused)

    def twins(self, paths: list[str]) -> list[list[str]]:
        """Groups of two or more of `paths` with the same bytes, each in the order given. Only equal sizes are read."""
        by_size: dict[int, list[str]] = defaultdict(list)
        for path in paths:
            by_size[self.size[path]].append(path)
        by_content: dict[str, list[str]] = defaultdict(list)
        for same in by_size.values():
            for path in same if len(same) > 1 else ():
                by_content[sha256_of(self.root / path)].append(path)
        return [group for group in by_content.values() if len(group) > 1]
