"""`python -m model_core predict`."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from model_core.checkpoint import read_metadata
from model_core.manifest import DataError
from model_core.predict.inputs import Pictures, find_pictures, read_listed
from model_core.provenance import record_path, sha256_of, versions, write_record

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

    from model_core.inference import Classifier
    from model_core.predict.parts import Part, Parts
    from model_core.predict.tables import PredictionTable
    from model_core.train.workers import Workers

SHOWN = 20  # failures on the screen; all of them are in the output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write every training class's probability of each picture, and those of any nodes asked for, as Parquet and as "
        "CSV. An interrupted run goes on where it was when the same command is given again. Exits with 1 where a "
        "picture failed. With several GPUs: torchrun --nproc-per-node N -m model_core predict ..."
    )
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint (.safetensors)")
    parser.add_argument("--images", type=Path, help="a folder (those within it are read too) or a ZIP archive")
    parser.add_argument(
        "--manifest",
        type=Path,
        help="CSV: only the pictures of its column file, in its order; a column diagnosis goes into the output "
        "(--images is by default the folder it lies in)",
    )
    parser.add_argument("--out", type=Path, required=True, help="NAME.csv; NAME.parquet is written beside it")
    parser.add_argument("--node", action="append", default=[], help="add the probability of this node; may be repeated")
    parser.add_argument(
        "--bad-images",
        choices=("skip", "refuse"),
        default="skip",
        help="a picture that is absent or damaged: a row with its error, or the end (default: %(default)s)",
    )
    parser.add_argument("--batch-size", type=int, default=32, help="(default: %(default)s)")
    parser.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16", "float16"),
        default="auto",
        help="auto is what is fastest and, tried on drawn pictures, within 0.02 of float32, the reference "
        "(default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Write both files and a record beside them; 1 where a picture failed, with the reasons in the column `error`."""
    from model_core.inference import find_device
    from model_core.train.workers import joined_workers

    with joined_workers(find_device(args.device)) as workers:
        return _run(args, workers)


def _run(args: argparse.Namespace, workers: Workers) -> int:
    """Of several processes each computes some of the parts, and the leading one joins them."""
    work = _Work.planned(args, workers.device)
    outputs, pictures, parts = work.outputs, work.pictures, work.parts
    if (failures := outputs.failures_of(parts.digest)) is not None:
        print(f"{outputs.csv} and {outputs.parquet} hold these results already; nothing was computed.")
        return 1 if failures else 0
    try:
        outputs.parts.mkdir(parents=True, exist_ok=True)
        work.compute(workers)
        workers.wait()
        if not workers.leads:
            return 0
        failed = work.join()
    except KeyboardInterrupt:
        print(
            f"Interrupted. What was done is in {outputs.parts}; the same command goes on from there.", file=sys.stderr
        )
        return 130
    except OSError as error:
        raise DataError(f"{args.out} cannot be written: {error.strerror or error}.") from error
    results = {**work.settings, "run": parts.digest, "pictures": len(pictures.names), "failed": failed}
    inputs = [args.model, args.manifest, args.images]
    write_record(outputs.csv, "predict", args, inputs=inputs, outputs=[outputs.parquet], results=results)
    parts.remove()
    for name, reason in list(failed.items())[:SHOWN]:
        print(f"{name}: {reason}")
    print(
        f"{len(pictures.names)} pictures, {len(failed)} failed, written to {outputs.csv} and {outputs.parquet} "
        f"({work.settings['device']}, {work.settings['precision']})."
    )
    if work.classifier.note:
        print(work.classifier.note)
    return 1 if failed else 0


@dataclass(frozen=True)
class _Outputs:
    csv: Path
    parquet: Path
    parts: Path

    @classmethod
    def of(cls, out: Path) -> _Outputs:
        stem = out.with_suffix("") if out.suffix in (".csv", ".parquet") else out
        return cls(*(stem.with_name(stem.name + end) for end in (".csv", ".parquet", ".parts")))

    def failures_of(self, run: str) -> int | None:
        """How many pictures failed in this run, if the record says that it wrote the files that are there."""
        try:
            record = json.loads(record_path(self.csv).read_text("utf-8"))
            files = {str(path): sha256_of(path) for path in (self.csv, self.parquet)}
            if record["results"]["run"] == run and record["outputs"] == files:
                return len(record["results"]["failed"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None


class _Opened:
    """Reads a picture on the thread that decodes it, and keeps the SHA-256 of its bytes."""

    def __init__(self, pictures: Pictures, name: str) -> None:
        self.name = name
        self.sha256: str | None = None
        self._pictures = pictures

    def __call__(self) -> io.BytesIO:
        content = self._pictures.read(self.name)
        self.sha256 = hashlib.sha256(content).hexdigest()
        return io.BytesIO(content)


@dataclass(frozen=True)
class _Work:
    """settings: whatever changes a result. diagnoses: of the manifest, where it gives them."""

    args: argparse.Namespace
    outputs: _Outputs
    pictures: Pictures
    diagnoses: Sequence[str] | None
    settings: dict[str, Any]
    table: PredictionTable
    parts: Parts
    classifier: Classifier

    @classmethod
    def planned(cls, args: argparse.Namespace, device: torch.device) -> _Work:
        """Refuse what cannot be done before anything is. Raises: CheckpointError, DataError, TaxonomyError."""
        from model_core.inference import Classifier
        from model_core.predict.parts import plan
        from model_core.predict.tables import PredictionTable

        if args.batch_size < 1:
            raise DataError(f"The batch size must be at least 1, not {args.batch_size}.")
        if args.images is None and args.manifest is None:
            raise DataError("Give --images, --manifest, or both.")
        metadata = read_metadata(args.model)
        taxonomy = metadata.taxonomy()
        nodes = list(dict.fromkeys(taxonomy.find(node) for node in args.node))
        listed, diagnoses = read_listed(args.manifest) if args.manifest else (None, None)
        pictures = find_pictures(args.images or args.manifest.parent, listed)
        if args.bad_images == "refuse":
            _refuse_absent(pictures)
        classifier = Classifier.load(args.model, device, args.precision)
        settings: dict[str, Any] = {
            "model_sha256": sha256_of(args.model),
            "nodes": nodes,
            "device": classifier.device.type,
            "precision": classifier.precision,
            "exact": classifier.exact,
            "note": classifier.note,
            "versions": versions(),
        }
        table = PredictionTable(metadata.classes, taxonomy, nodes, labelled=diagnoses is not None)
        outputs = _Outputs.of(args.out)
        parts = plan(outputs.parts, pictures, diagnoses, settings)
        return cls(args, outputs, pictures, diagnoses, settings, table, parts, classifier)

    def compute(self, workers: Workers) -> None:
        """Every part that is not there and falls to this process. The network never waits at the end of one: pictures
        come in one stream."""
        from tqdm import tqdm

        own = self.parts.parts[workers.rank :: workers.processes]
        missing = [part for part in own if not part.done]
        if not missing:
            return
        n, waiting = (sum(part.stop - part.start for part in parts) for parts in (own, missing))
        with tqdm(total=n, initial=n - waiting, unit=" pictures", desc="Predicting", disable=not workers.leads) as bar:
            self._fill(missing, bar.update)

    def _fill(self, missing: Sequence[Part], advance: Callable[[int], object]) -> None:
        opened: deque[_Opened] = deque()

        def sources() -> Iterator[_Opened]:
            for part in missing:
                for name in self.pictures.names[part.start : part.stop]:
                    opened.append(_Opened(self.pictures, name))
                    yield opened[-1]

        remaining = deque(missing)
        rows: list[tuple[np.ndarray, str | None, str | None]] = []
        for batch in self.classifier.stream(sources(), self.args.batch_size):
            reasons = {failure.index - batch.start: failure.reason for failure in batch.failures}
            for row, values in enumerate(batch.probabilities):
                one = opened.popleft()
                if row in reasons and self.args.bad_images == "refuse":
                    raise DataError(
                        f"{one.name}: {reasons[row]} What was done before it is kept; the same command goes on from "
                        "there once the picture is mended or left out, or with --bad-images skip."
                    )
                rows.append((values, one.sha256, reasons.get(row)))
                if len(rows) == remaining[0].stop - remaining[0].start:
                    self._write(remaining.popleft(), rows)
                    rows = []
            advance(len(batch.probabilities))

    def _write(self, part: Part, rows: Sequence[tuple[np.ndarray, str | None, str | None]]) -> None:
        values, digests, errors = zip(*rows, strict=True)
        names = self.pictures.names[part.start : part.stop]
        diagnoses = self.diagnoses[part.start : part.stop] if self.diagnoses is not None else None
        part.write(self.table.rows(names, diagnoses, np.stack(values), digests, errors))

    def join(self) -> dict[str, str]:
        """Write both files from the parts, one in memory at a time; {name: reason} of the pictures that failed."""
        from model_core.predict.tables import write_csv, write_parquet

        failed: dict[str, str] = {}

        def tables() -> Iterator[pa.Table]:
            for part in self.parts.parts:
                table = part.read()
                errors = table.column("error").to_pylist()
                failed.update((n, e) for n, e in zip(table.column("file").to_pylist(), errors, strict=True) if e)
                yield table

        write_parquet(self.outputs.parquet, tables(), self.table.schema, self.settings)
        write_csv(self.outputs.csv, tables(), self.table.schema)
        return failed


def _refuse_absent(pictures: Pictures) -> None:
    absent = [name for name in pictures.names if pictures.stamp(name) is None]
    if absent:
        more = f", and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise DataError(f"{absent[0]}: The file does not exist{more}.")
