"""The Disease Ontology as nodes of a taxonomy: its OBO file, or a CSV branch of it. No torch here.

Source: Schriml et al., Nucleic Acids Research 2022; the OBO flat file format 1.4. An ontology is no tree: a node may
have several parents, which a taxonomy may not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from model_core.manifest import read_text
from model_core.taxonomy_csv import Node, TaxonomyError, quoted


@dataclass(frozen=True, slots=True)
class Term:
    """A disease with the ids of its parents; `row` is its line in the file, for messages only."""

    id: str
    name: str
    parents: tuple[str, ...]
    row: int


def terms_of_csv(rows: Sequence[tuple[int, Mapping[str, str]]], source: str) -> tuple[Term, ...]:
    """Of rows with id, name and parents: the parents' ids or names with "|" between.

    Raises: TaxonomyError for a parent whose name several nodes have.
    """
    by_name: dict[str, list[str]] = defaultdict(list)
    for _, row in rows:
        by_name[row["name"]].append(row["id"])
    ids = {row["id"] for _, row in rows}
    terms = []
    for number, row in rows:
        parents: list[str] = []
        for text in filter(None, (part.strip() for part in row["parents"].split("|"))):
            named = [text] if text in ids else by_name.get(text, [])
            if len(named) > 1:
                raise TaxonomyError(
                    f"{source}, row {number}: the parent {text!r} is the name of several nodes, {quoted(named)}."
                )
            parents += named
        terms.append(Term(row["id"], row["name"], tuple(parents), number))
    return tuple(terms)


def terms_of_obo(path: str | Path) -> tuple[Term, ...]:
    """Of an OBO file's [Term] stanzas: `id`, `name` and each `is_a`; obsolete terms are left out.

    Raises: DataError where the file cannot be read; TaxonomyError where it has no term.
    """
    terms: list[Term] = []
    stanza, start = "", 0
    values: dict[str, list[str]] = defaultdict(list)

    def close() -> None:
        if stanza == "[Term]" and values["is_obsolete"] != ["true"]:
            name, identifier = (next(iter(values[tag]), "") for tag in ("name", "id"))
            terms.append(Term(identifier, name, tuple(values["is_a"]), start))
        values.clear()

    for number, text in enumerate(read_text(path).splitlines(), start=1):
        line = text.strip()
        if line.startswith("["):
            close()
            stanza, start = line, number
        elif ":" in line:
            tag, value = line.split(":", 1)
            if tag == "is_a":  # "is_a: DOID:162 {source="..."} ! cancer": an id has no space, a comment follows a "!"
                value = value.split("!")[0].split("{")[0]
            values[tag].append(value.strip())
    close()
    if not terms:
        raise TaxonomyError(f"{Path(path).name} has no [Term]; an ontology in OBO format has one for each disease.")
    return tuple(terms)


def branch(terms: Sequence[Term], root: str, source: str) -> tuple[Term, ...]:
    """`root` (an id or a name) and every term under it, in the file's order.

    Raises: TaxonomyError where there is no such term.
    """
    top = [term.id for term in terms if root in (term.id, term.name)]
    if len(top) != 1:
        raise TaxonomyError(f"{source} has {len(top) or 'no'} node{'s' * (len(top) > 1)} with the id or name {root!r}.")
    children: dict[str, list[str]] = defaultdict(list)
    for term in terms:
        for parent in term.parents:
            children[parent].append(term.id)
    inside, stack = set(top), list(top)
    while stack:
        new = [child for child in children[stack.pop()] if child not in inside]
        inside.update(new)
        stack += new
    # the top of the branch is a root, whatever lies above it
    return tuple(replace(t, parents=()) if t.id == top[0] else t for t in terms if t.id in inside)


def tree(terms: Iterable[Term], source: str, *, first_parent: bool = False) -> tuple[Node, ...]:
    """Nodes with one parent each; parents that are not among the terms do not count.

    first_parent: of several take the first, instead of refusing. Raises: TaxonomyError naming nodes with several.
    """
    terms = tuple(terms)
    ids = {term.id for term in terms}
    nodes, several = [], []
    for term in terms:
        parents = [parent for parent in dict.fromkeys(term.parents) if parent in ids and parent != term.id]
        if len(parents) > 1:
            several.append(f"row {term.row}: {term.id} ({term.name}) has {', '.join(parents)}")
        nodes.append(Node(term.id, parents[0] if parents else "", term.name, term.row))
    if several and not first_parent:
        more = f"; and {len(several) - 3} more" if len(several) > 3 else ""
        raise TaxonomyError(
            f"{source} is no tree: {len(several)} nodes have several parents. {'; '.join(several[:3])}{more}. "
            "Give each one parent, or take the first of each with --first-parent."
        )
    return tuple(nodes)
