"""`python -m model_core evaluate`: a checkpoint on a manifest."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model_core.dataset import LabelledImage, read_labelled_images
from model_core.evaluation import Evaluation, NamedTest, evaluate
from model_core.feature_parts import PART, FeatureParts
from model_core.listing import Listed
from model_core.manifest import DataError
from model_core.parts import of_part
from model_core.provenance import seed_option, sha256_of, write_record
from model_core.taxonomy import Taxonomy, TrainingClass

if TYPE_CHECKING:
    from model_core.inference import Classifier


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Score a manifest with a checkpoint, and compare with its diagnoses: every node by summation, AUCs of named "
        "tests restricted to their nodes, confusion matrices and calibration at every level of the taxonomy. An "
        "interrupted run goes on where it was."
    )
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint (.safetensors)")
    parser.add_argument("--manifest", type=Path, required=True, help="CSV: file, diagnosis[, lesion_id, patient_id]")
    parser.add_argument("--images", type=Path, required=True, help="the folder that `file` is relative to")
    parser.add_argument("--split", type=Path, help="CSV of `split`, of which only --part is looked at")
    parser.add_argument("--part", default="test", help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="a folder: report.json, report.txt, and CSV files")
    parser.add_argument(
        "--test",
        action="append",
        default=[],
        metavar="POSITIVE:NEGATIVE",
        help="an AUC, such as melanoma:benign-melanocytic; several nodes of a side joined by +; may be repeated",
    )
    parser.add_argument("--level", type=int, action="append", help="a level to look at; may be repeated (default: all)")
    parser.add_argument("--bad-images", choices=("skip", "refuse"), default="skip")
    parser.add_argument("--batch-size", type=int, default=32, help="pictures at a time (default: %(default)s)")
    parser.add_argument("--seed", type=seed_option, default=0, help="of the bootstrap intervals")
    parser.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), help="default: bfloat16 where it is faster")


def run(args: argparse.Namespace) -> int:
    """Write the report and a record beside it; print the table."""
    from model_core.inference import Classifier

    classifier = Classifier.load(args.model, args.device, args.precision)
    taxonomy = classifier.metadata.taxonomy()
    names = Taxonomy(taxonomy.rows, taxonomy.source, Taxonomy.default().synonyms)  # a manifest may use other names
    images = read_labelled_images(args.manifest, args.images, names, absent_too=True)
    if args.split:
        images = of_part(args.split, args.part, images, args.images)
    tests = [NamedTest.parse(text, names) for text in args.test]
    for test in tests:  # refuse what cannot be answered before the work
        taxonomy.restricted_share(
            classifier.classes, np.ones((1, len(classifier.classes))), test.positive, test.negative
        )
    settings = [sha256_of(args.model), classifier.device.type, classifier.precision, classifier.exact]
    settings += [args.bad_images]  # a run that refuses does not go on from one that skipped
    parts = FeatureParts(args.out / ".parts", settings)
    probabilities, failures = _scored(classifier, images, parts, args)
    kept = [i for i in range(len(images)) if i not in failures]
    if not kept:
        raise DataError("None of the pictures could be scored.")
    chosen = [images[i] for i in kept]
    found = evaluate(chosen, probabilities[kept], classifier.classes, taxonomy, tests=tests, levels=args.level,
                     seed=args.seed)  # fmt: skip
    args.out.mkdir(parents=True, exist_ok=True)
    files = _write(args.out, found, images, probabilities, classifier.classes, taxonomy, args.images)
    calculated = {"device": str(classifier.device), "precision": classifier.precision, "note": classifier.note}
    results = {**calculated, "n_images": len(chosen), "failures": {str(images[i].path): r for i, r in failures.items()}}
    inputs = [args.model, args.manifest, args.split, args.images]
    write_record(args.out / "report.json", "evaluate", args, inputs=inputs, outputs=files, results=results)
    parts.remove()
    for i, reason in failures.items():
        print(f"Left out: {images[i].path}: {reason}")
    print(found.table())
    if classifier.note:
        print(classifier.note)
    return 0


def _scored(
    classifier: Classifier, images: Sequence[LabelledImage], parts: FeatureParts, args: argparse.Namespace
) -> tuple[NDArray[np.float32], dict[int, str]]:
    """(n, k) probabilities, and the reasons of the rows that have none; what `parts` holds is not scored again."""
    from tqdm import tqdm

    rows = np.empty((len(images), len(classifier.classes)), np.float32)
    failures: dict[int, str] = {}
    with tqdm(total=len(images), unit=" pictures", desc="Scoring") as bar:
        for start in range(0, len(images), PART):
            chosen = images[start : start + PART]
            listed = [Listed(str(image.path), image.path) for image in chosen]
            found = parts.load(start, listed)
            if found is None:
                batches = []
                failed: dict[int, str] = {}
                for batch in classifier.stream((image.path for image in chosen), args.batch_size):
                    batches.append(batch.probabilities)
                    failed.update({failure.index: failure.reason for failure in batch.failures})
                    if failed and args.bad_images == "refuse":
                        index, reason = next(iter(failed.items()))
                        raise DataError(f"{chosen[index].path}: {reason}")
                    bar.update(len(batch.probabilities))
                found = np.concatenate(batches), failed
                parts.save(start, listed, *found)
            else:
                bar.update(len(chosen))
            rows[start : start + len(chosen)] = found[0]
            failures |= {start + index: reason for index, reason in found[1].items()}
    return rows, failures


def _write(
    out: Path,
    found: Evaluation,
    images: Sequence[LabelledImage],
    probabilities: NDArray[np.float32],
    classes: Sequence[TrainingClass],
    taxonomy: Taxonomy,
    folder: Path,
) -> list[Path]:
    """The report as JSON and text, a CSV of each confusion matrix, one of all probabilities, one of all nodes."""
    (out / "report.json").write_text(json.dumps(found.to_json(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    (out / "report.txt").write_text(found.table() + "\n", "utf-8")
    files = [out / "report.txt"]
    for level in found.levels:
        path = out / f"confusion_{level.name.replace(' ', '_')}.csv"
        matrix = level.confusion
        counts = [[name, *row.tolist()] for name, row in zip(matrix.names, matrix.counts, strict=True)]
        _write_csv(path, ["truth", *matrix.names], counts)
        files.append(path)
    nodes = _summable(classes, taxonomy)
    sums = taxonomy.sum_probabilities(classes, probabilities, nodes)
    names = [[i.path.relative_to(folder).as_posix(), i.disease] for i in images]
    for path, columns, values in (
        (out / "probabilities.csv", [c.id for c in classes], probabilities.astype(float)),
        (out / "nodes.csv", nodes, sums),
    ):
        rows = [[*name, *("" if v != v else f"{v:.8f}" for v in row)] for name, row in zip(names, values, strict=True)]
        _write_csv(path, ["file", "diagnosis", *columns], rows)
        files.append(path)
    return files


def _summable(classes: Sequence[TrainingClass], taxonomy: Taxonomy) -> list[str]:
    """The nodes that have a probability: those above or equal to a training class, in the taxonomy's order."""
    above = {node for c in classes for node in (c.node, *taxonomy.ancestors(c.node))}
    inside = {d for c in classes for d in c.diseases if d != c.node}
    return [node for node in taxonomy.nodes if node in above and node not in inside]


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
