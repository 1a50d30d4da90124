"""`python -m model_core export`: a checkpoint as ONNX, kept only where it says what the checkpoint says."""

from __future__ import annotations

import argparse
from pathlib import Path

from model_core.listing import listed_pictures
from model_core.manifest import DataError
from model_core.provenance import seed_option, sha256_of, write_record

TOLERANCE = 1e-4  # of a probability


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write a checkpoint as an ONNX file whose metadata say how to prepare a picture and what the outputs are. It "
        "is kept only if ONNX Runtime gives the checkpoint's probabilities, in float32, on drawn pictures and on "
        "--images."
    )
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint (.safetensors)")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument("--images", type=Path, help="a folder of pictures to check with, beyond those drawn")
    parser.add_argument("--manifest", type=Path, help="CSV: only the pictures that its column file names")
    parser.add_argument(
        "--tolerance", type=float, default=TOLERANCE, help="largest difference of a probability (default: %(default)s)"
    )
    parser.add_argument("--seed", type=seed_option, default=0, help="of the drawn pictures (default: %(default)s)")
    parser.add_argument("--bad-images", choices=("skip", "refuse"), default="skip", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Write the file and a record beside it; print how far it is from the checkpoint."""
    if args.manifest and not args.images:
        raise DataError("--manifest needs --images, the folder that its files are relative to.")
    if not args.out.parent.is_dir():
        raise DataError(f"The folder of {args.out} does not exist.")
    images = listed_pictures(args.images, args.manifest) if args.images else ()
    from model_core.onnx_file import export_onnx

    found = export_onnx(
        args.model,
        args.out,
        images=images,
        tolerance=args.tolerance,
        seed=args.seed,
        refuse_bad=args.bad_images == "refuse",
    )
    results = {
        "sha256": sha256_of(args.out),
        "pictures_drawn": found.n_drawn,
        "pictures_given": found.n_given,
        "skipped": dict(found.skipped),
        "largest_difference": found.largest_difference,
    }
    inputs = [args.model, args.manifest, args.images]
    write_record(args.out, "export", args, inputs=inputs, results=results)
    for name, reason in found.skipped[:20]:
        print(f"{name}: {reason}")
    print(
        f"{args.out}: on {found.n_drawn} drawn and {found.n_given} given pictures no probability differs from the "
        f"checkpoint's by more than {found.largest_difference:.2g} (allowed: {args.tolerance:g})."
    )
    return 0
