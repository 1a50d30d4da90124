"""The rows that speak of one image, brought together: one diagnosis, or a conflict that is reported."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from model_core.labels.diagnoses import Diagnoses
from model_core.labels.files import ImageFolder
from model_core.labels.formats import Sighting, Table, read_label_file, resolve_ordinals
from model_core.labels.values import CLEANERS, published_id
from model_core.manifest import COLUMNS, ManifestRow
from model_core.taxonomy import Taxonomy
from model_core.taxonomy_csv import normalised

KINDS = {
    "conflict": "the labels of one image contradict each other; it is left out",
    "unknown diagnosis": "the label has no node in the taxonomy; its images are left out",
    "no diagnosis": "the publisher gives none that the taxonomy could hold; the images are left out",
    "missing file": "no image of that name is there; it is left out",
    "empty file": "the image has no bytes; it is left out",
    "duplicate": "the same image once more; the first is kept",
    "value": "a value that cannot be read; it is left empty",
    "coarser diagnosis": "the taxonomy has only a node above the publisher's diagnosis; that one is used",
    "unlabelled file": "an image that no row names",
    "folder states diagnosis": "the name of a folder gives the diagnosis away",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """`kind` is one of `KINDS`; `images` is how many images it concerns; file, row: the first place."""

    kind: str
    message: str
    file: str = ""
    row: int = 0
    column: str = ""
    value: str = ""
    images: int = 1


@dataclass(frozen=True, slots=True)
class Labels:
    rows: tuple[ManifestRow, ...]
    problems: tuple[Problem, ...]
    tables: tuple[Table, ...]

    def counts(self) -> dict[str, int]:
        """Images concerned by each kind of problem, in the order of `KINDS`."""
        found: Counter[str] = Counter()
        for problem in self.problems:
            found[problem.kind] += problem.images
        return {kind: found[kind] for kind in KINDS if found[kind]}


class Claim(NamedTuple):
    """A row and the file that it stands in."""

    table: Table
    sighting: Sighting

    @property
    def place(self) -> str:
        return f"{Path(*self.table.path.parts[-2:])}, row {self.sighting.row}"


def read_labels(
    paths: Sequence[str | Path],
    *,
    images: str | Path | None = None,
    taxonomy: Taxonomy | None = None,
    modality: str = "",
) -> Labels:
    """Read label files, of one or several publishers, into manifest rows, and say what is wrong with them.

    images: the folder that the images lie in, at any depth; `file` is then relative to it, and what is missing, empty,
    unlabelled or there twice is reported. Without it `file` is what the label file says, or the id with ".jpg".
    modality: for images of which the files do not say. Rows are in the order of the files given.
    Raises: DataError for a file that is unreadable or of an unknown format.
    """
    tables = resolve_ordinals([read_label_file(path) for path in paths])
    folder = ImageFolder(Path(images)) if images is not None else None
    joiner = _Joiner(Diagnoses(taxonomy or Taxonomy.default()), folder, modality)
    rows = [row for claims in _by_image(tables) if (row := joiner.join(claims))]
    if folder:
        rows = joiner.without_twins(rows)
    return Labels(tuple(rows), tuple(joiner.all_problems()), tuple(tables))


def _by_image(tables: Sequence[Table]) -> list[list[Claim]]:
    """The claims for each image. What is said of a lesion (MILK10k) counts for those of its images that have no label.

    A lesion none of whose images is named comes as a group of its own, without an image.
    """
    groups: dict[str, list[Claim]] = defaultdict(list)
    of_lesion: dict[str, list[Claim]] = defaultdict(list)
    for table in tables:
        for sighting in table.sightings:
            claim = Claim(table, sighting)
            if sighting.image:
                groups[_key(claim)].append(claim)
            else:
                of_lesion[sighting.facts["lesion_id"]].append(claim)
    named = set()
    for group in groups.values() if of_lesion else ():
        labelled = any(c.sighting.label for c in group)
        for lesion in {c.sighting.facts.get("lesion_id", "") for c in group} & of_lesion.keys():
            named.add(lesion)
            if not labelled:
                group.extend(of_lesion[lesion])
    return [*groups.values(), *(claims for lesion, claims in of_lesion.items() if lesion not in named)]


def _key(claim: Claim) -> str:
    """A publisher's own identifier is the same image everywhere; any other name only within its source and folder."""
    table, sighting = claim
    if found := published_id(sighting.image) or published_id(sighting.file):
        return found
    folder = table.path.parent / PurePosixPath(sighting.file).parent
    return f"{table.format.source}:{folder}:{sighting.image}"


class _Joiner:
    def __init__(self, diagnoses: Diagnoses, folder: ImageFolder | None, modality: str) -> None:
        self.diagnoses = diagnoses
        self.folder = folder
        self.modality = modality
        self.problems: list[Problem] = []
        self._repeated: dict[tuple[str, str], Problem] = {}

    def join(self, claims: list[Claim]) -> ManifestRow | None:
        """The manifest row of one image, or None where it cannot have one; the reason is then among the problems."""
        image = claims[0].sighting.image
        if not image:
            lesion = claims[0].sighting.facts["lesion_id"]
            message = f"no file says which images show the lesion {lesion}; give the publisher's metadata as well"
            self._repeat("missing file", "lesion", message, claims)
            return None
        node = self._node(image, claims)
        file = self._file(image, claims, keep=bool(node))
        if not (file and node):
            return None
        facts = self._facts(claims)
        facts["modality"] = facts["modality"] or self.modality
        self._note_telling_folder(file, node, claims)
        return ManifestRow(file=file, diagnosis=node, row=claims[0].sighting.row, **facts)

    def without_twins(self, rows: list[ManifestRow]) -> list[ManifestRow]:
        """The rows without those whose bytes are those of an earlier row, nor any whose twin is labelled otherwise."""
        assert self.folder is not None
        by_file = {row.file: row for row in rows}
        drop: set[str] = set()
        for group in self.folder.twins([row.file for row in rows]):
            nodes = [by_file[file].diagnosis for file in group]
            names = ", ".join(group)
            if all(self.diagnoses.agree(a, b) for a, b in combinations(nodes, 2)):
                drop.update(group[1:])
                self._say("duplicate", f"{names} have the same bytes; {group[0]} is kept", images=len(group) - 1)
            else:
                drop.update(group)
                said = ", ".join(sorted(set(nodes)))
                message = f"{names} have the same bytes but contradicting labels: {said}"
                self._say("conflict", message, images=len(group))
        return [row for row in rows if row.file not in drop]

    def all_problems(self) -> list[Problem]:
        """By kind, in the order of `KINDS`, and as met within a kind."""
        if self.folder:
            for file in self.folder.unused():
                self._say("unlabelled file", f"no row names {file}")
        order = list(KINDS)
        return sorted([*self.problems, *self._repeated.values()], key=lambda problem: order.index(problem.kind))

    def _node(self, image: str, claims: list[Claim]) -> str:
        meant: dict[str, Claim] = {}
        for claim in claims:
            source, label = claim.table.format.source, claim.sighting.label
            if not label:
                continue
            meaning = self.diagnoses.meaning(source, label)
            if meaning.node:
                meant.setdefault(meaning.node, claim)
                if meaning.coarser:
                    name = f"{label.rpartition(':')[2]!r} is taken as {meaning.node!r}"
                    self._repeat("coarser diagnosis", label, name, [claim])
            elif meaning.reason:
                self._repeat("no diagnosis", label, f"{label!r}: {meaning.reason}", [claim])
            else:
                self._repeat("unknown diagnosis", label, f"{label!r} is no diagnosis known here", [claim])
        if all(self.diagnoses.agree(a, b) for a, b in combinations(meant, 2)):
            if not meant and not any(c.sighting.label for c in claims):
                self._repeat("no diagnosis", "", "the files give no diagnosis", claims[:1])
            return self.diagnoses.finest(list(meant)) if meant else ""
        said = "; ".join(f"{c.sighting.label!r} ({c.place}) is {node!r}" for node, c in meant.items())
        first = claims[0]
        self._say("conflict", f"{image} has contradicting labels: {said}", first, value=image)
        return ""

    def _file(self, image: str, claims: list[Claim], *, keep: bool) -> str:
        """The image's file: the first that is there, or as named where no folder was given. Empty: none.

        keep: the image has a diagnosis, so that its duplicates and its absence matter.
        """
        named = {c.table.path.parent / c.sighting.file: c for c in claims if c.sighting.file}
        rows = Counter(claim.table.path for claim in claims)
        if keep and (copies := max(len(named), *rows.values()) - 1):
            self._say("duplicate", f"{image} is in {', '.join(c.place for c in claims)}", claims[1], value=image,
                      images=copies)  # fmt: skip
        if not self.folder:
            return next((c.sighting.file for c in named.values()), f"{image}.jpg")
        found = [self.folder.find(c.sighting.file, c.table.path.parent, image) for c in named.values() or claims[:1]]
        file = next((path for path in found if path), "")
        if not keep:
            return file
        if not file:
            wanted = next((c.sighting.file for c in named.values()), image)
            self._say("missing file", f"{wanted} is not in {self.folder.root}", claims[0], value=wanted)
        elif not self.folder.size[file]:
            self._say("empty file", f"{file} has no bytes", claims[0], value=file)
            return ""
        elif not named and (others := self.folder.others(file, image)):
            self._say("duplicate", f"{image} is {file}, and also {', '.join(others)}", claims[0], value=image,
                      images=len(others))  # fmt: skip
        return file

    def _facts(self, claims: list[Claim]) -> dict[str, str]:
        facts = {}
        for column in COLUMNS[2:]:
            facts[column] = ""
            for claim in claims:
                text = claim.sighting.facts.get(column, "")
                try:
                    value = CLEANERS[column](text)
                except ValueError as error:
                    self._say("value", f"{claim.place}, {column}: {error}", claim, column=column, value=text)
                    continue
                if value and facts[column] in ("", "unknown"):
                    facts[column] = value
        facts["confirmation"] = facts["confirmation"] or "unknown"
        return facts

    def _note_telling_folder(self, file: str, node: str, claims: list[Claim]) -> None:
        labels = {normalised(node)} | {normalised(c.sighting.label) for c in claims if c.sighting.label}
        for folder in PurePosixPath(file).parts[:-1]:
            if normalised(folder) in labels:
                message = f"the folder {folder!r} names the diagnosis of the images in it"
                self._repeat("folder states diagnosis", folder, message, claims[:1])

    def _repeat(self, kind: str, key: str, message: str, claims: list[Claim]) -> None:
        """One problem for all images that share it, with the first place."""
        known = self._repeated.get((kind, key))
        if known:
            self._repeated[kind, key] = replace(known, images=known.images + 1)
        else:
            claim = claims[0]
            self._repeated[kind, key] = Problem(
                kind, f"{message} (first in {claim.place})", str(claim.table.path), claim.sighting.row, value=key
            )

    def _say(
        self, kind: str, message: str, claim: Claim | None = None, *, column: str = "", value: str = "", images: int = 1
    ) -> None:
        file, row = (str(claim.table.path), claim.sighting.row) if claim else ("", 0)
        self.problems.append(Problem(kind, message, file, row, column, value, images))
