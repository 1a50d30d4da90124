"""The files of a taxonomy: `id,parent,name`, checked to be a tree, and the publishers' labels. No torch here."""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import IO

from model_core.manifest import delimiter_of

COLUMNS = ("id", "parent", "name")


class TaxonomyError(Exception):
    """What is wrong with a taxonomy, or with a question asked of it, in a sentence."""


@dataclass(frozen=True, slots=True)
class Node:
    """One row of a taxonomy CSV; a root has the parent ''. `row` is its line in the file, for messages only."""

    id: str
    parent: str
    name: str
    row: int = field(default=0, compare=False)


def normalised(text: str) -> str:
    return re.sub(r"[\s_\-]+", "", unicodedata.normalize("NFKC", text).casefold())


def quoted(items: Iterable[str], between: str = ", ") -> str:
    return between.join(repr(item) for item in items)


def read_text(path_or_file: str | os.PathLike[str] | IO[str] | IO[bytes]) -> tuple[str, str]:
    if isinstance(path_or_file, str | os.PathLike):
        source = os.path.basename(os.fspath(path_or_file))
        try:
            with open(path_or_file, "rb") as file:
                content: str | bytes = file.read()
        except OSError as error:
            raise TaxonomyError(f"The taxonomy {os.fspath(path_or_file)} cannot be read: {error.strerror}.") from error
    else:
        source = os.path.basename(str(getattr(path_or_file, "name", "taxonomy")))
        content = path_or_file.read()
    if isinstance(content, str):
        return source, content.removeprefix("\ufeff")
    try:
        return source, content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise TaxonomyError(
            f"{source}, row {row}: the byte 0x{content[error.start]:02x} is not UTF-8. Save the file as CSV UTF-8."
        ) from error


def parse_rows(text: str, source: str) -> tuple[Node, ...]:
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
        header = [(column or "").strip().lower() for column in reader.fieldnames or ()]
        if missing := [column for column in COLUMNS if column not in header]:
            of = f"column {quoted(missing)} is" if len(missing) == 1 else f"columns {quoted(missing)} are"
            raise TaxonomyError(f"{source}, row 1: the {of} missing; the columns must be {', '.join(COLUMNS)}.")
        if twice := [column for column in COLUMNS if header.count(column) > 1]:
            raise TaxonomyError(f"{source}, row 1: the column {quoted(twice)} occurs more than once.")
        reader.fieldnames = header
        rows = []
        for record in reader:
            values = {column: (record[column] or "").strip() for column in COLUMNS}
            rows.append(Node(values["id"], values["parent"], values["name"], reader.line_num))
    except csv.Error as error:
        raise TaxonomyError(f"{source}, row {reader.line_num}: this is not CSV: {error}.") from error
    return tuple(rows)


def check_rows(rows: Sequence[Node], source: str) -> None:
    if not rows:
        raise TaxonomyError(f"{source} has no rows; a taxonomy has at least one node.")
    by_id: dict[str, Node] = {}
    by_name: dict[tuple[str, str], Node] = {}
    for node in rows:
        where = f"{source}, row {node.row}"
        if not node.id:
            raise TaxonomyError(f"{where}: the id is empty; each node needs an id of its own.")
        if not node.name:
            raise TaxonomyError(f"{where}: the node {node.id!r} has no name.")
        if (first := by_id.setdefault(node.id, node)) is not node:
            raise TaxonomyError(
                f"{where}: the id {node.id!r} is already that of row {first.row}; an id may occur once."
            )
        twin = by_name.setdefault((node.parent, normalised(node.name)), node)
        if twin is not node:
            raise TaxonomyError(
                f"{where}: {node.id!r} has the same name and parent as {twin.id!r} in row {twin.row}: {node.name!r}. "
                "Names must differ under one parent."
            )
    for node in rows:
        if node.parent and node.parent not in by_id:
            raise TaxonomyError(
                f"{source}, row {node.row}: the parent {node.parent!r} of {node.id!r} is not an id of this file. "
                "A root has an empty parent."
            )
    _check_acyclic(rows, by_id, source)


def _check_acyclic(rows: Sequence[Node], by_id: Mapping[str, Node], source: str) -> None:
    safe: set[str] = set()
    for node in rows:
        path: dict[str, None] = {}
        current = node.id
        while current and current not in safe:
            if current in path:
                cycle = [*list(path)[list(path).index(current) :], current]
                raise TaxonomyError(
                    f"{source}, row {by_id[current].row}: the node {current!r} is its own ancestor: "
                    f"{' < '.join(cycle)}. A taxonomy is a tree."
                )
            path[current] = None
            current = by_id[current].parent
        safe.update(path)


def aliases(source: str) -> dict[str, str]:
    """Label as a publisher writes it -> node id of the default taxonomy, from the shipped aliases.csv.

    source: ham10000, isic2017, isic2019, isic_archive, pad_ufes_20, fitzpatrick17k, ...; `unmapped` has the rest.
    Raises: TaxonomyError for a source that the file does not have, listing those it has.
    """
    return {row["label"]: row["node"] for row in _alias_rows(source) if row["node"]}


def unmapped(source: str) -> dict[str, str]:
    """Label of a publisher that has no node in the default taxonomy -> the reason (for example "no diagnosis")."""
    return {row["label"]: row["note"] for row in _alias_rows(source) if not row["node"]}


def _alias_rows(source: str) -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath("data/aliases.csv").read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    found = [row for row in rows if row["source"] == source]
    if not found:
        raise TaxonomyError(
            f"aliases.csv has no labels of {source!r}; it has {quoted(sorted({r['source'] for r in rows}))}."
        )
    return found
