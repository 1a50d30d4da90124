"""`python -m model_core saliency`: pictures of the saliency map over each image."""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from model_core.files import write_atomically
from model_core.listing import Listed, listed_pictures, stamps
from model_core.manifest import DataError
from model_core.provenance import sha256_of, write_record
from model_core.transforms import ImageError, open_image

if TYPE_CHECKING:
    from model_core.saliency import Explainer

COLOURS = ("inferno", "viridis", "cividis")  # readable with any colour vision, and in grey
COLUMNS = ("file", "picture", "target", "probability", "largest", "error")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Show which pixels a prediction hangs on: the L1 norm, over the colours, of the loss's gradient at the input "
        "(Esteva et al. 2017, Extended Data Fig. 3). Writes a picture for each image, the image and the map over it in "
        "grey, and saliency.csv. An interrupted run goes on where it was. Exits with 1 where an image failed."
    )
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint (.safetensors)")
    parser.add_argument("--images", type=Path, required=True, help="a folder, or one image")
    parser.add_argument("--manifest", type=Path, help="CSV: only the images that its column file names")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument(
        "--node", help="explain this training class or taxonomy node (default: the most probable class)"
    )
    parser.add_argument(
        "--npy", action="store_true", help="write the maps' numbers as .npy too, (height, width) float32"
    )
    parser.add_argument("--colours", choices=COLOURS, default=COLOURS[0], help="default: %(default)s")
    parser.add_argument("--side", type=int, default=600, help="of the pictures' longer side (default: %(default)s)")
    parser.add_argument("--bad-images", choices=("skip", "refuse"), default="skip", help="default: %(default)s")
    parser.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")


def run(args: argparse.Namespace) -> int:
    """Write the pictures, saliency.csv and a record; 1 where an image failed."""
    from model_core.saliency import Explainer

    if args.side < 32:
        raise DataError(f"The pictures' side must be at least 32 pixels, not {args.side}.")
    listed = listed_pictures(args.images, args.manifest)
    explainer = Explainer.load(args.model, args.device)
    if args.node is not None:
        explainer.columns(args.node)  # refuse before the work
    settings = [sha256_of(args.model), args.node, args.npy, args.colours, args.side, explainer.device.type]
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        rows = _explained(explainer, listed, settings, args)
        _write_rows(args.out / "saliency.csv", rows)
    except OSError as error:
        raise DataError(f"{args.out} cannot be written: {error.strerror or error}.") from error
    failed = {row["file"]: row["error"] for row in rows if row["error"]}
    inputs = [args.model, args.manifest, args.images]
    results = {"images": len(rows), "failed": failed, "device": str(explainer.device)}
    write_record(args.out / "saliency.csv", "saliency", args, inputs=inputs, results=results)
    (args.out / ".done.jsonl").unlink(missing_ok=True)
    for file, reason in list(failed.items())[:20]:
        print(f"{file}: {reason}")
    print(f"{len(rows)} images, {len(failed)} failed, written to {args.out} ({explainer.device}).")
    return 1 if failed else 0


def _explained(
    explainer: Explainer, listed: tuple[Listed, ...], settings: list[Any], args: argparse.Namespace
) -> list[dict[str, Any]]:
    """A row for each image, in order; what an interrupted run with the same settings has done is not done again."""
    from tqdm import tqdm

    journal = args.out / ".done.jsonl"
    done = _done(journal)
    rows = []
    with journal.open("a", encoding="utf-8") as file, tqdm(listed, unit=" images", desc="Saliency") as bar:
        for one in bar:
            digest = hashlib.sha256(json.dumps([settings, stamps([one])]).encode()).hexdigest()
            row = done.get(digest)
            if row is None or not (row["error"] or (args.out / row["picture"]).is_file()):
                row = _explain(explainer, one, args)
                file.write(json.dumps({"digest": digest, "row": row}) + "\n")
                file.flush()
            if row["error"] and args.bad_images == "refuse":
                raise DataError(f"{one.path}: {row['error']}")
            rows.append(row)
    return rows


def _done(journal: Path) -> dict[str, dict[str, Any]]:
    """{digest: row}; a last line that was cut off does not count."""
    found = {}
    for line in journal.read_text("utf-8").splitlines() if journal.exists() else ():
        try:
            entry = json.loads(line)
            found[entry["digest"]] = entry["row"]
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _explain(explainer: Explainer, one: Listed, args: argparse.Namespace) -> dict[str, Any]:
    row = dict.fromkeys(COLUMNS, "") | {"file": one.name}
    try:
        image = open_image(one.path)
        found = explainer.explain(image, args.node)
    except ImageError as error:
        return row | {"error": str(error)}
    name = f"{one.name}.png"
    (args.out / name).parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    pair(image, found.map, args.colours, args.side).save(content, "PNG")
    write_atomically(args.out / name, content.getvalue())
    if args.npy:
        numbers = io.BytesIO()
        np.save(numbers, found.map)
        write_atomically(args.out / f"{one.name}.npy", numbers.getvalue())
    return row | {
        "picture": name,
        "target": found.target,
        "probability": f"{found.probability:.6f}",
        "largest": f"{float(found.map.max()):.6g}",
    }


def pair(image: Image.Image, saliency: NDArray[np.float32], colours: str, side: int = 600) -> Image.Image:
    """The image, and beside it the map over the image in grey, both with the longer side of `side` pixels at most.

    Dark: 0; the brightest colour: the 99.5th percentile of the map and all above, because single pixels reach many
    times that. saliency: (height, width) of the image.
    """
    image = ImageOps.contain(image, (side, side)) if max(image.size) > side else image
    small = np.asarray(Image.fromarray(saliency).resize(image.size, Image.Resampling.BOX), np.float32)
    top = float(np.percentile(small, 99.5))
    share = np.clip(small / top, 0, 1) if top > 0 else np.zeros_like(small)
    colour = colour_table(colours)[np.rint(255 * share).astype(np.uint8)].astype(np.float32)
    grey = np.asarray(image.convert("L"), np.float32)[..., None]
    # the map covers the image where it says something; where it is near 0 the image shows through, dimmed
    weight = 0.45 + 0.55 * np.sqrt(share)[..., None]
    over = Image.fromarray(np.rint(weight * colour + (1 - weight) * grey).astype(np.uint8))
    gap = max(4, side // 60)
    both = Image.new("RGB", (2 * image.width + gap, image.height), "white")
    both.paste(image, (0, 0))
    both.paste(over, (image.width + gap, 0))
    return both


def colour_table(name: str) -> NDArray[np.uint8]:
    """(256, 3): a sequential colour scale of matplotlib's by its name, as Plotly gives it."""
    from plotly.colors import hex_to_rgb, sequential

    stops = np.array([hex_to_rgb(text) for text in getattr(sequential, name.capitalize())], float)
    at = np.linspace(0, len(stops) - 1, 256)
    table = np.stack([np.interp(at, np.arange(len(stops)), stops[:, channel]) for channel in range(3)], axis=1)
    return np.rint(table).astype(np.uint8)


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())
