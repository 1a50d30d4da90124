"""`python -m model_core embed`: the 2,048 features of each picture as .npy or .npz, and their t-SNE."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model_core.feature_parts import PART, FeatureParts
from model_core.files import write_atomically
from model_core.listing import Listed, listed_pictures
from model_core.manifest import DataError
from model_core.provenance import seed_option, sha256_of, write_record
from model_core.tsne import check_tsne, tsne, usual_perplexity

if TYPE_CHECKING:
    from model_core.embedding import Embedder

FEATURES = 2048


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write the 2,048 values of the last hidden layer of each picture, one row for each, in the manifest's order or "
        "by name; a row of NaN for a picture that cannot be used. An interrupted run goes on where it was. Exits with "
        "1 where a picture failed."
    )
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint (.safetensors)")
    parser.add_argument("--images", type=Path, required=True, help="a folder; those within it are read too")
    parser.add_argument("--manifest", type=Path, help="CSV: only the pictures that its column file names, in its order")
    parser.add_argument(
        "--out", type=Path, required=True, help=".npz (features, files), as `split --features` reads it, or .npy"
    )
    parser.add_argument("--tsne", type=Path, metavar="CSV", help="write file,x,y by t-SNE too")
    parser.add_argument("--perplexity", type=float, help="of the t-SNE (default: 30, or less for few pictures)")
    parser.add_argument("--seed", type=seed_option, default=0, help="of the t-SNE (default: %(default)s)")
    parser.add_argument("--bad-images", choices=("skip", "refuse"), default="skip", help="default: %(default)s")
    parser.add_argument("--batch-size", type=int, default=32, help="pictures at a time (default: %(default)s)")
    parser.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16", "float16"),
        default="auto",
        help="auto: a shorter one than float32 where the device is faster with it (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the features, the t-SNE and a record; 1 where a picture failed."""
    from model_core.embedding import Embedder

    if args.out.suffix not in (".npy", ".npz"):
        raise DataError(f"{args.out} must end in .npy or .npz.")
    if args.batch_size < 1:
        raise DataError(f"The batch size must be at least 1, not {args.batch_size}.")
    listed = listed_pictures(args.images, args.manifest)
    if args.tsne:
        # before the work, not after it
        check_tsne(len(listed), usual_perplexity(len(listed)) if args.perplexity is None else args.perplexity)
    embedder = Embedder.load(args.model, args.device, args.precision)
    settings = [sha256_of(args.model), embedder.device.type, embedder.precision, args.bad_images]
    parts = FeatureParts(args.out.with_name(f"{args.out.name}.parts"), settings)
    files = [args.tsne] if args.tsne else []
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        parts.folder.mkdir(exist_ok=True)
        features, reasons = _embedded(embedder, listed, parts, args)
        _write(args.out, features, listed)
        if args.tsne:
            _write_tsne(args.tsne, features, listed, seed=args.seed, perplexity=args.perplexity)
        del features  # closes the file in the folder that goes
        parts.remove()
    except OSError as error:
        raise DataError(f"{args.out} cannot be written: {error.strerror or error}.") from error
    results = {"pictures": len(listed), "failed": {listed[i].name: reason for i, reason in reasons.items()}}
    if args.tsne:
        results["perplexity"] = args.perplexity or usual_perplexity(len(listed) - len(reasons))
    results |= {"device": str(embedder.device), "precision": embedder.precision}
    inputs = [args.model, args.manifest, args.images]
    write_record(args.out, "embed", args, inputs=inputs, outputs=files, results=results)
    for i, reason in list(reasons.items())[:20]:
        print(f"{listed[i].name}: {reason}")
    print(
        f"{len(listed)} pictures, {len(reasons)} failed, written to {args.out} ({embedder.device}, "
        f"{embedder.precision})."
    )
    return 1 if reasons else 0


def _embedded(
    embedder: Embedder, listed: Sequence[Listed], parts: FeatureParts, args: argparse.Namespace
) -> tuple[NDArray[np.float32], dict[int, str]]:
    """((n, 2048), a file in the folder of parts; {index: reason})."""
    from tqdm import tqdm

    shape = (len(listed), FEATURES)
    features = np.lib.format.open_memmap(parts.folder / "features.npy", "w+", np.float32, shape)
    reasons: dict[int, str] = {}
    with tqdm(total=len(listed), unit=" pictures", desc="Features") as bar:
        for start, chosen in _slices(listed):
            found = parts.load(start, chosen)
            if found is None:
                values = np.empty((len(chosen), FEATURES), np.float32)
                failed: dict[int, str] = {}
                for batch in embedder.stream((one.path for one in chosen), args.batch_size):
                    values[batch.start : batch.start + len(batch.features)] = batch.features
                    failed |= {failure.index: failure.reason for failure in batch.failures}
                    bar.update(len(batch.features))
                    if failed and args.bad_images == "refuse":
                        index, reason = next(iter(failed.items()))
                        raise DataError(f"{chosen[index].path}: {reason}")
                parts.save(start, chosen, values, failed)
                found = values, failed
            else:
                bar.update(len(chosen))
                bar.unpause()
            features[start : start + len(chosen)] = found[0]
            reasons |= {start + i: reason for i, reason in found[1].items()}
    features.flush()
    return features, reasons


def _slices(listed: Sequence[Listed]) -> Iterator[tuple[int, Sequence[Listed]]]:
    for start in range(0, len(listed), PART):
        yield start, listed[start : start + PART]


def _write(out: Path, features: NDArray[np.float32], listed: Sequence[Listed]) -> None:
    """By way of a temporary name; neither form takes memory that grows with the pictures."""

    def fill(temporary: str) -> None:
        with open(temporary, "wb") as file:
            if out.suffix == ".npz":
                np.savez(file, features=features, files=np.array([one.name for one in listed]))
            else:
                np.save(file, features)

    write_atomically(out, fill)


def _write_tsne(
    path: Path, features: NDArray[np.float32], listed: Sequence[Listed], *, seed: int, perplexity: float | None
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "x", "y"))
    for one, (x, y) in zip(listed, tsne(features, seed=seed, perplexity=perplexity).tolist(), strict=True):
        if x == x:
            writer.writerow((one.name, f"{x:.6f}", f"{y:.6f}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.getvalue().encode())
