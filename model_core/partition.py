"""Disease partitioning: from a taxonomy and image counts to training classes of a bounded size. No torch here.

Source: Esteva et al., Nature 542:115-118 (2017), Methods, "Disease partitioning algorithm". The paper leaves three
cases open, settled here: a leaf above the limit is a class of its own; images labelled with an inner node that was
split form the class "<node>, unspecified"; a class without images is left out.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import index
from pathlib import Path
from typing import Any

from model_core.manifest import DataError, read_manifest, read_table
from model_core.provenance import write_record
from model_core.taxonomy import Taxonomy, TaxonomyError, TrainingClass

__all__ = ["add_arguments", "partition_diseases", "run"]


def partition_diseases(taxonomy: Taxonomy, counts: Mapping[str, int], max_class_size: int) -> tuple[TrainingClass, ...]:
    """Training classes, in the taxonomy's depth-first order: disjoint, and together they hold every image counted.

    From each root downwards: a node becomes a class when its images, its descendants' counted in, do not exceed
    `max_class_size`; otherwise its children are looked at. Only two kinds of class can exceed the limit, as neither can
    be divided: a leaf, and "<node>, unspecified" (the images labelled with a node that was split).

    counts: images labelled with each node itself (not its descendants); nodes left out have none.
    Cost: linear in the number of nodes. Raises: TaxonomyError for an unknown node, a count that is not a whole number
    of at least 0, or a limit under 1.
    """
    if max_class_size < 1:
        raise TaxonomyError(f"The largest class size must be at least 1, not {max_class_size}.")
    own = _checked_counts(taxonomy, counts)
    total = dict.fromkeys(taxonomy.nodes, 0)
    for node in reversed(taxonomy.nodes):
        total[node] += own.get(node, 0)
        if parent := taxonomy.parent(node):
            total[parent] += total[node]

    classes: list[TrainingClass] = []
    stack = list(reversed(taxonomy.roots))
    while stack:
        node = stack.pop()
        if not total[node]:
            continue
        children = taxonomy.children(node)
        if total[node] <= max_class_size or not children:
            classes.append(taxonomy.whole_class(node, total[node]))
            continue
        if own.get(node):
            classes.append(taxonomy.unspecified_class(node, own[node]))
        stack.extend(reversed(children))
    return tuple(classes)


def _checked_counts(taxonomy: Taxonomy, counts: Mapping[str, int]) -> dict[str, int]:
    checked = {}
    for node, count in counts.items():
        taxonomy.name(node)  # raises for a node that the taxonomy does not have
        try:
            checked[node] = index(count)
        except TypeError:
            raise TaxonomyError(f"The image count of {node!r} must be a whole number, not {count!r}.") from None
        if checked[node] < 0:
            raise TaxonomyError(f"The image count of {node!r} is {count}; it cannot be under 0.")
    return checked


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Turn a taxonomy and image counts into training classes: descend from the roots until a node holds at most "
        "--max-class-size images (Esteva et al. 2017)."
    )
    parser.add_argument("--taxonomy", type=Path, help="CSV with id,parent,name (default: the one shipped)")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--manifest", type=Path, help="manifest CSV: its diagnoses are counted")
    source.add_argument("--counts", type=Path, help="CSV with the columns node,n")
    parser.add_argument("--max-class-size", type=int, default=1000, help="images in a class (default: %(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="JSON of training classes, or CSV by its ending")


def run(args: argparse.Namespace) -> int:
    """Write the training classes and a record beside them; print what they are."""
    taxonomy = Taxonomy.read_csv(args.taxonomy) if args.taxonomy else Taxonomy.default()
    source = args.manifest or args.counts
    counts = _manifest_counts(taxonomy, source) if args.manifest else _file_counts(taxonomy, source)
    classes = partition_diseases(taxonomy, counts, args.max_class_size)
    _write_classes(args.output, taxonomy, classes)
    over = [c for c in classes if c.n_images > args.max_class_size]
    summary: dict[str, Any] = {
        "classes": len(classes),
        "images": sum(c.n_images for c in classes),
        "unspecified": [c.id for c in classes if c.id != c.node],
        "over_the_limit": {c.id: c.n_images for c in over},
        "smallest": min((c.n_images for c in classes), default=0),
        "largest": max((c.n_images for c in classes), default=0),
        "taxonomy_sha256": taxonomy.sha256,
    }
    write_record(args.output, "partition", args, inputs=[args.taxonomy, source], results=summary)
    print(f"{summary['classes']} training classes of {summary['images']} images, written to {args.output}.")
    for training_class in over:
        print(f"  {training_class.id}: {training_class.n_images} images, above the limit and indivisible")
    return 0


def _manifest_counts(taxonomy: Taxonomy, path: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in read_manifest(path):
        try:
            counts[taxonomy.find(row.diagnosis)] += 1
        except TaxonomyError as error:
            raise DataError(f"{path.name}, row {row.row}, column diagnosis: {error}") from error
    return counts


def _file_counts(taxonomy: Taxonomy, path: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for number, row in read_table(path, required=("node", "n")):
        try:
            counts[taxonomy.find(row["node"])] += int(row["n"])
        except TaxonomyError as error:
            raise DataError(f"{path.name}, row {number}, column node: {error}") from error
        except ValueError as error:
            raise DataError(
                f"{path.name}, row {number}, column n: {row['n']!r} is not a whole number of images."
            ) from error
    return counts


def _write_classes(path: Path, taxonomy: Taxonomy, classes: Sequence[TrainingClass]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() != ".csv":
        content = {"taxonomy_sha256": taxonomy.sha256, "classes": [c.to_json() for c in classes]}
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "name", "node", "n_images", "diseases"))
        for c in classes:
            writer.writerow((c.id, taxonomy.class_name(c), c.node, c.n_images, "|".join(c.diseases)))
