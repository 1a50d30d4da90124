"""Other people's trees of diagnoses as our `id,parent,name`; and `python -m model_core taxonomy`. No torch here.

Read are the ISIC Archive's diagnosis paths, Fitzpatrick17k's three levels, and the Disease Ontology (see `ontology`).
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

from model_core.files import write_atomically
from model_core.manifest import DataError, read_table
from model_core.ontology import branch, terms_of_csv, terms_of_obo, tree
from model_core.provenance import write_record
from model_core.taxonomy import Node, Taxonomy, TaxonomyError

FITZPATRICK17K = ("three_partition_label", "nine_partition_label", "label")


def read_taxonomy(path: str | Path, *, first_parent: bool = False, root: str | None = None) -> Taxonomy:
    """A taxonomy from a file of any of the formats here, told apart by its ending (.obo) or its columns.

    ours: id,parent,name. ISIC diagnosis paths: path,name with "a:b:c". Fitzpatrick17k: its three label columns.
    Disease Ontology: OBO, or a CSV with id,name,parents, the parents' ids or names with "|" between; those that are not
    in the file do not count. first_parent: of several parents take the first, instead of refusing. root: take only this
    node (id or name) and what is under it; parents outside the branch then do not count.
    Raises: DataError where the file cannot be read; TaxonomyError for other columns, an unknown root, a node with
    several parents, and what makes it no tree.
    """
    name = Path(path).name
    rows = [] if (obo := Path(path).suffix.lower() == ".obo") else list(read_table(path))
    columns = set(rows[0][1]) if rows else set()
    if obo or ({"id", "name", "parents"} <= columns and "parent" not in columns):
        terms = terms_of_obo(path) if obo else terms_of_csv(rows, name)
        if root is not None:
            terms = branch(terms, root, name)
        return Taxonomy(tree(terms, name, first_parent=first_parent), name)
    taxonomy = _of_rows(path, rows, columns)
    if root is None:
        return taxonomy
    inside = set(taxonomy.descendants(top := taxonomy.find(root)))
    nodes = (Node(n.id, "" if n.id == top else n.parent, n.name, n.row) for n in taxonomy.rows if n.id in inside)
    return Taxonomy(tuple(nodes), name)


def _of_rows(path: str | Path, rows: Sequence[tuple[int, dict[str, str]]], columns: set[str]) -> Taxonomy:
    name = Path(path).name
    if {"id", "parent", "name"} <= columns:
        return Taxonomy.read_csv(path)
    if {"path", "name"} <= columns:
        nodes = _from_paths([(n, tuple(row["path"].split(":"))) for n, row in rows], name)
    elif set(FITZPATRICK17K) <= columns:
        nodes = _from_paths([(n, tuple(row[c] for c in FITZPATRICK17K)) for n, row in rows], name)
    else:
        raise TaxonomyError(
            f"{name} has the columns {', '.join(sorted(columns)) or 'none'}. A taxonomy has id,parent,name (ours), "
            f"path,name (ISIC), {','.join(FITZPATRICK17K)} (Fitzpatrick17k) or id,name,parents (Disease Ontology)."
        )
    return Taxonomy(nodes, name)


def write_taxonomy(taxonomy: Taxonomy, path: str | Path) -> None:
    """Write `id,parent,name`, a node directly before its descendants. Raises: DataError where that cannot be done."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "parent", "name"))
    writer.writerows((node, taxonomy.parent(node) or "", taxonomy.name(node)) for node in taxonomy.nodes)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.getvalue().encode())
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}.") from error


def _from_paths(paths: Iterable[tuple[int, tuple[str, ...]]], source: str) -> tuple[Node, ...]:
    """Nodes of every path and of all above it. The id is the name in plain letters; where two nodes would share it, the
    ids of both begin with that of the parent."""
    first: dict[tuple[str, ...], int] = {}
    for row, path in paths:
        parts = tuple(part.strip() for part in path)
        if not all(parts):
            raise TaxonomyError(f"{source}, row {row}: a level of {':'.join(path)!r} is empty.")
        for end in range(1, len(parts) + 1):
            first.setdefault(parts[:end], row)
    ids = _unique_ids(list(first))
    return tuple(Node(ids[path], ids[path[:-1]] if len(path) > 1 else "", path[-1], row) for path, row in first.items())


def _unique_ids(paths: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """The shortest end of each path that no other path shares, as an id."""
    ids: dict[tuple[str, ...], str] = {}
    length = dict.fromkeys(paths, 1)
    while True:
        wanted = {path: "-".join(plain(part) for part in path[-length[path] :]) for path in paths}
        shared = {identifier for identifier, n in Counter(wanted.values()).items() if n > 1}
        longer = [path for path in paths if wanted[path] in shared and length[path] < len(path)]
        if not longer:
            break
        for path in longer:
            length[path] += 1
    taken: Counter[str] = Counter()
    for path in paths:  # "a-b" under "c" and "b" under "a" can still meet
        taken[wanted[path]] += 1
        ids[path] = wanted[path] if taken[wanted[path]] == 1 else f"{wanted[path]}-{taken[wanted[path]]}"
    return ids


def plain(name: str) -> str:
    """A name in lower-case letters, digits and hyphens: "Nevus, Acral" is nevus-acral."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-") or "node"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check a taxonomy and print its levels; with --output, write it as id,parent,name. Reads our own CSV, the ISIC "
        "Archive's diagnosis paths, fitzpatrick17k_hierarchy.csv and the Disease Ontology (OBO, or a CSV with "
        "id,name,parents)."
    )
    parser.add_argument("taxonomy", type=Path, nargs="?", help="CSV or OBO (default: the one shipped)")
    parser.add_argument("--first-parent", action="store_true", help="of several parents, take the first")
    parser.add_argument("--root", help="only this node (id or name) and what is under it, such as DOID:37")
    parser.add_argument("--output", type=Path, help="CSV to write, id,parent,name")


def run(args: argparse.Namespace) -> int:
    """Print the levels; write the converted taxonomy and its record."""
    with resources.as_file(resources.files("model_core").joinpath("data/taxonomy.csv")) as shipped:
        taxonomy = read_taxonomy(args.taxonomy or shipped, first_parent=args.first_parent, root=args.root)
    levels = levels_of(taxonomy)
    leaves = Counter(taxonomy.depth(leaf) for leaf in taxonomy.leaves)
    print(
        f"{taxonomy.source}: {len(taxonomy.nodes)} nodes, {len(taxonomy.leaves)} of them leaves, {max(levels)} levels "
        "deep, no error found"
    )
    for depth, n in levels.items():
        print(f"  level {depth}: {n} nodes, {leaves[depth]} of them leaves")
    _print_top(taxonomy)
    print(f"SHA-256 {taxonomy.sha256}")
    if args.output:
        write_taxonomy(taxonomy, args.output)
        results = {"nodes": len(taxonomy.nodes), "leaves": len(taxonomy.leaves), "levels": levels}
        results |= {"taxonomy_sha256": taxonomy.sha256}
        write_record(args.output, "taxonomy", args, inputs=[args.taxonomy], results=results)
        print(f"Written to {args.output}.")
    return 0


def levels_of(taxonomy: Taxonomy) -> dict[int, int]:
    """{depth: number of nodes}, 1 for the roots."""
    depth: dict[str, int] = {}
    for node in taxonomy.nodes:
        parent = taxonomy.parent(node)
        depth[node] = depth[parent] + 1 if parent else 1
    return dict(sorted(Counter(depth.values()).items()))


def _print_top(taxonomy: Taxonomy, most: int = 20) -> None:
    """The first two levels, or as many nodes of them as fit a screen."""
    for root in taxonomy.roots[:most]:
        print(f"{root}: {taxonomy.name(root)} ({len(taxonomy.descendants(root))} nodes)")
        children = taxonomy.children(root)
        for child in children[:most]:
            print(f"  {child}: {taxonomy.name(child)} ({len(taxonomy.descendants(child))})")
        if len(children) > most:
            print(f"  and {len(children) - most} more")
    if len(taxonomy.roots) > most:
        print(f"and {len(taxonomy.roots) - most} more roots")
