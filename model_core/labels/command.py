"""`python -m model_core labels`."""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from model_core.labels.formats import FORMATS
from model_core.labels.joining import KINDS, Problem, read_labels
from model_core.manifest import MODALITIES, write_manifest
from model_core.provenance import write_record
from model_core.taxonomy import Taxonomy

SHOWN = 5  # problems of each kind on the screen; all of them are in the file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    known = ", ".join(dict.fromkeys(fmt.name for fmt in FORMATS))
    parser.description = f"Read label files into one manifest CSV and report what is wrong. Known formats: {known}."
    parser.add_argument("labels", type=Path, nargs="+", help="label files of one data set or of several")
    parser.add_argument("--images", type=Path, help="folder of the images; compared with the labels")
    parser.add_argument("--taxonomy", type=Path, help="CSV with id,parent,name (default: the one shipped)")
    parser.add_argument("--modality", choices=MODALITIES, default="", help="of images whose files do not say")
    parser.add_argument("--output", type=Path, required=True, help="the manifest CSV to write")
    parser.add_argument("--strict", action="store_true", help="exit with 1, nothing written, if an image is left out")


def run(args: argparse.Namespace) -> int:
    """Write the manifest, `OUTPUT.problems.csv` and the record; print counts and the first problems of each kind."""
    taxonomy = Taxonomy.read_csv(args.taxonomy) if args.taxonomy else Taxonomy.default()
    found = read_labels(args.labels, images=args.images, taxonomy=taxonomy, modality=args.modality)
    counts = found.counts()
    for table in found.tables:
        print(f"{table.path}: {table.format.name}, {len(table.sightings)} rows")
    _print_problems(found.problems, counts)
    left_out = sum(counts.get(kind, 0) for kind in list(KINDS)[:5])
    if not found.rows or (args.strict and left_out):
        print(f"Nothing was written: {left_out} images cannot be used.")
        return 1
    write_manifest(args.output, found.rows)
    problems = args.output.with_name(args.output.name + ".problems.csv")
    _write_problems(problems, found.problems)
    diagnoses = Counter(row.diagnosis for row in found.rows)
    results = {
        "images": len(found.rows),
        "formats": {str(table.path): table.format.name for table in found.tables},
        "diagnoses": dict(diagnoses.most_common()),
        "problems": counts,
        "taxonomy_sha256": taxonomy.sha256,
    }
    write_record(args.output, "labels", args, inputs=[*args.labels, args.taxonomy], outputs=[problems], results=results)
    print(f"{len(found.rows)} images of {len(diagnoses)} diagnoses, written to {args.output}.")
    return 0


def _print_problems(problems: Sequence[Problem], counts: dict[str, int]) -> None:
    for kind, n in counts.items():
        print(f"{kind}: {n} ({KINDS[kind]})")
        of_kind = [problem for problem in problems if problem.kind == kind]
        for problem in of_kind[:SHOWN]:
            print(f"  {problem.message}" + (f": {problem.images} images" if problem.images > 1 else ""))
        if len(of_kind) > SHOWN:
            print(f"  and {len(of_kind) - SHOWN} more")


def _write_problems(path: Path, problems: Sequence[Problem]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("kind", "images", "file", "row", "column", "value", "message"))
        writer.writerows((p.kind, p.images, p.file, p.row or "", p.column, p.value, p.message) for p in problems)
