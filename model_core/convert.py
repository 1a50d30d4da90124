"""Other people's trees of diagnoses as our `id,parent,name`; and `python -m model_core taxonomy`. No torch here.

Read are the ISIC Archive's diagnosis paths, Fitzpatrick17k's three levels, and branches of the Disease Ontology
(Schriml et al., Nucleic Acids Research 2022), which is no tree: a node may have several parents.
"""

from __future__ import annotations

import argparse
import csv
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from model_core.manifest import read_table
from model_core.provenance import write_record
from model_core.taxonomy import Node, Taxonomy, TaxonomyError
from model_core.taxonomy_csv import quoted

Rows = Sequence[tuple[int, Mapping[str, str]]]

FITZPATRICK17K = ("three_partition_label", "nine_partition_label", "label")


def read_taxonomy(path: str | Path, *, first_parent: bool = False) -> Taxonomy:
    """A taxonomy from a CSV of any of the formats here, told apart by its columns.

    ours: id,parent,name. ISIC diagnosis paths: path,name with "a:b:c". Fitzpatrick17k: its three label columns.
    Disease Ontology: id,name,parents, the parents' ids or names with "|" between; those that are not in the file do not
    count. first_parent: of several parents take the first, instead of refusing.
    Raises: TaxonomyError for other columns, a node with several parents, and what makes it no tree.
    """
    rows = list(read_table(path))
    name = Path(path).name
    columns = set(rows[0][1]) if rows else set()
    if {"id", "parent", "name"} <= columns:
        return Taxonomy.read_csv(path)
    if {"path", "name"} <= columns:
        nodes = _from_paths([(n, tuple(row["path"].split(":"))) for n, row in rows], name)
    elif set(FITZPATRICK17K) <= columns:
        nodes = _from_paths([(n, tuple(row[c] for c in FITZPATRICK17K)) for n, row in rows], name)
    elif {"id", "name", "parents"} <= columns:
        nodes = _from_ontology(rows, name, first_parent)
    else:
        raise TaxonomyError(
            f"{name} has the columns {', '.join(sorted(columns)) or 'none'}. A taxonomy has id,parent,name (ours), "
            f"path,name (ISIC), {','.join(FITZPATRICK17K)} (Fitzpatrick17k) or id,name,parents (Disease Ontology)."
        )
    return Taxonomy(nodes, name)


def write_taxonomy(taxonomy: Taxonomy, path: str | Path) -> None:
    """Write `id,parent,name`, a node directly before its descendants."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "parent", "name"))
        writer.writerows((node, taxonomy.parent(node) or "", taxonomy.name(node)) for node in taxonomy.nodes)


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


def _from_ontology(rows: Rows, source: str, first_parent: bool) -> tuple[Node, ...]:
    by_name: dict[str, list[str]] = defaultdict(list)
    for _, row in rows:
        by_name[row["name"]].append(row["id"])
    ids = {row["id"] for _, row in rows}
    nodes, several = [], []
    for number, row in rows:
        parents = []
        for text in filter(None, (part.strip() for part in row["parents"].split("|"))):
            named = [text] if text in ids else by_name.get(text, [])
            if len(named) > 1:
                raise TaxonomyError(
                    f"{source}, row {number}: the parent {text!r} is the name of several nodes, {quoted(named)}."
                )
            parents += [parent for parent in named if parent not in parents and parent != row["id"]]
        if len(parents) > 1:
            several.append(f"row {number}: {row['id']} ({row['name']}) has {', '.join(parents)}")
        nodes.append(Node(row["id"], parents[0] if parents else "", row["name"], number))
    if several and not first_parent:
        more = f"; and {len(several) - 3} more" if len(several) > 3 else ""
        raise TaxonomyError(
            f"{source} is no tree: {len(several)} nodes have several parents. {'; '.join(several[:3])}{more}. "
            "Give each one parent, or take the first of each with --first-parent."
        )
    return tuple(nodes)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check a taxonomy and print its levels; with --output, write it as id,parent,name. Reads our own CSV, the ISIC "
        "Archive's diagnosis paths, fitzpatrick17k_hierarchy.csv and Disease Ontology branches (id,name,parents)."
    )
    parser.add_argument("taxonomy", type=Path, nargs="?", help="CSV (default: the one shipped)")
    parser.add_argument("--first-parent", action="store_true", help="of several parents, take the first")
    parser.add_argument("--output", type=Path, help="CSV to write, id,parent,name")


def run(args: argparse.Namespace) -> int:
    """Print the levels; write the converted taxonomy and its record."""
    given = args.taxonomy
    taxonomy = read_taxonomy(given, first_parent=args.first_parent) if given else Taxonomy.default()
    levels = levels_of(taxonomy)
    print(f"{taxonomy.source}: {len(taxonomy.nodes)} nodes, {len(taxonomy.leaves)} of them leaves, no error found")
    for depth, n in levels.items():
        print(f"  level {depth}: {n} nodes")
    _print_top(taxonomy)
    print(f"SHA-256 {taxonomy.sha256}")
    if args.output:
        write_taxonomy(taxonomy, args.output)
        results = {"nodes": len(taxonomy.nodes), "levels": levels, "taxonomy_sha256": taxonomy.sha256}
        write_record(args.output, "taxonomy", args, inputs=[given], results=results)
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
