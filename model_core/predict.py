"""A folder of pictures -> a CSV of probabilities: every training class, and any taxonomy nodes asked for."""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Iterator
from pathlib import Path

from model_core.manifest import DataError
from model_core.provenance import write_record

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")


def pictures(folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """The pictures in a folder and those within it, by their names' endings, sorted. Raises: DataError for none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise DataError(f"There is no picture ({', '.join(SUFFIXES)}) in {folder}.")
    return tuple(found)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Write every training class's probability of each picture in a folder as CSV."
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint (.safetensors)")
    parser.add_argument("--images", type=Path, required=True, help="a folder; those within it are read too")
    parser.add_argument("--out", type=Path, required=True, help="the CSV to write")
    parser.add_argument("--node", action="append", default=[], help="add the probability of this node; may be repeated")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), help="default: bfloat16 where it is faster")


def run(args: argparse.Namespace) -> int:
    """Write the CSV and a record beside it; 1 where a picture failed, with the reasons in the column `error`."""
    from tqdm import tqdm

    from model_core.inference import Classifier

    paths = pictures(args.images)
    classifier = Classifier.load(args.model, args.device, args.precision)
    taxonomy = classifier.metadata.taxonomy()
    nodes = [taxonomy.find(node) for node in args.node]
    taxonomy.sum_probabilities(classifier.classes, [[0.0] * len(classifier.classes)], nodes)  # refuse before the work
    temporary = args.out.with_name(f".{args.out.name}.part")
    failed = 0
    try:
        with (
            open(temporary, "w", encoding="utf-8", newline="") as file,
            tqdm(total=len(paths), unit=" pictures") as bar,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["file", *(c.id for c in classifier.classes), *(f"node {n}" for n in nodes), "error"])
            for batch in classifier.stream(paths, args.batch_size):
                sums = taxonomy.sum_probabilities(classifier.classes, batch.probabilities, nodes)
                reasons = {failure.index - batch.start: failure.reason for failure in batch.failures}
                for row, (values, node_values) in enumerate(zip(batch.probabilities, sums, strict=True)):
                    name = paths[batch.start + row].relative_to(args.images).as_posix()
                    writer.writerow([name, *_texts(values), *_texts(node_values), reasons.get(row, "")])
                failed += len(reasons)
                bar.update(len(batch.probabilities))
        os.replace(temporary, args.out)
    except OSError as error:
        raise DataError(f"{args.out} cannot be written: {error.strerror}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    write_record(
        args.out, "predict", args, inputs=[args.model, args.images], results={"pictures": len(paths), "failed": failed}
    )
    print(
        f"{len(paths)} pictures, {failed} failed, written to {args.out} ({classifier.device}, {classifier.precision})."
    )
    return 1 if failed else 0


def _texts(values: object) -> Iterator[str]:
    """Eight digits after the point, more than float32 holds; nothing for a picture that failed."""
    for value in values:  # type: ignore[attr-defined]
        yield "" if value != value else f"{value:.8f}"
