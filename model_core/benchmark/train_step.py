"""A training step of this package, pictures included, against torchvision's reference recipe on the same device.

The baseline is what torchvision's references/classification does: inception_v3 with its auxiliary head in float32, a
DataLoader of Pillow pictures through RandomResizedCrop, RandomHorizontalFlip and Normalize, SGD with momentum.
Both take the same JPEG files, the same batch size and the same device, a few steps at a time in turns, because a shared
machine changes its speed while it is measured; medians are compared.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from model_core.listing import listed_pictures
from model_core.provenance import seed_option, write_record

if TYPE_CHECKING:
    import torch

SUMMARY = "a training step against torchvision's reference recipe"
N_CLASSES = 7


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__.partition("\n\n")[0]
    parser.add_argument("--images", type=Path, help="a folder of pictures (default: 64 drawn JPEG files, 600 x 450)")
    parser.add_argument("--recipe", choices=("paper", "modern"), action="append", help="repeatable (default: both)")
    parser.add_argument("--batch-size", type=int, default=8, help="pictures at a time (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=2, help="timed in a turn (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="of the baseline's DataLoader (default: %(default)s)")
    parser.add_argument("--size", type=int, default=299, help="pixels, each side (default: %(default)s)")
    parser.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    parser.add_argument("--seed", type=seed_option, default=0, help="of what is drawn (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="JSON: every time, the medians and their ratios")


def run(args: argparse.Namespace) -> int:
    """Measure, write the JSON and a record beside it, print the ratios."""
    import torch

    from model_core.inference import find_device

    device = find_device(args.device)
    recipes = args.recipe or ["paper", "modern"]
    with ExitStack() as stack:
        folder = args.images or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if args.images is None:
            draw_pictures(folder, 64, args.seed)
        paths = [one.path for one in listed_pictures(folder)]
        sides: dict[str, Callable[[], Iterator[None]]] = {
            "torchvision reference": lambda: reference_steps(paths, args, device)
        }
        for recipe in recipes:
            sides[recipe] = lambda recipe=recipe: own_steps(paths, args, device, recipe)  # type: ignore[misc]
        times = interleaved(sides, args.rounds, args.steps, device)
    found = summarised(times, args.batch_size)
    found |= {"device": str(device), "threads": torch.get_num_threads(), "machine": platform.processor()}
    args.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    write_record(args.out, "benchmark train", args, results={k: v for k, v in found.items() if k != "seconds"})
    for name, value in found["images_per_second"].items():
        ratio = found["ratios"].get(name)
        print(f"{name:22} {value:8.2f} images/s" + (f"  {ratio:.2f} times the reference" if ratio else ""))
    return 0


def interleaved(
    sides: dict[str, Callable[[], Iterator[None]]], rounds: int, steps: int, device: torch.device
) -> dict[str, list[float]]:
    """Seconds a step of every side, `rounds` x `steps`. Each turn starts anew and runs one step that is not timed."""
    import torch
    from tqdm import tqdm

    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in tqdm(range(rounds), desc="Rounds"):
        for name, start in sides.items():
            stepping = start()
            next(stepping)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            for _ in range(steps):
                begun = time.perf_counter()
                next(stepping)
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                times[name].append(time.perf_counter() - begun)
            stepping.close()  # type: ignore[attr-defined]
    return times


def summarised(times: dict[str, list[float]], batch_size: int) -> dict[str, Any]:
    """Medians, and the ratio of each to the first."""
    speed = {name: batch_size / median(values) for name, values in times.items()}
    first, *others = speed
    return {
        "images_per_second": speed,
        "ratios": {name: speed[name] / speed[first] for name in others},
        "seconds": times,
        "batch_size": batch_size,
    }


def reference_steps(paths: Sequence[Path], args: argparse.Namespace, device: Any) -> Iterator[None]:
    """torchvision's recipe, one step for each `next`, for ever."""
    import torch
    from torch.nn import functional
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.models import inception_v3

    from model_core.benchmark.pictures import Pictures

    steps = transforms.Compose(
        [
            transforms.RandomResizedCrop(args.size),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    torch.manual_seed(args.seed)
    has_auxiliary = args.size >= 299
    network = inception_v3(num_classes=N_CLASSES, aux_logits=has_auxiliary, init_weights=False).to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    batches = iter(
        DataLoader(
            Pictures(paths, steps, args.batch_size * 10_000), batch_size=args.batch_size, num_workers=args.workers,
            pin_memory=device.type == "cuda", multiprocessing_context="spawn" if args.workers else None,
        )
    )  # fmt: skip
    while True:
        x, target = next(batches)
        x, target = x.to(device, non_blocking=True), target.to(device, non_blocking=True)
        found = network(x)
        loss = functional.cross_entropy(found.logits if has_auxiliary else found, target)
        if has_auxiliary:
            loss = loss + 0.4 * functional.cross_entropy(found.aux_logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield


def own_steps(paths: Sequence[Path], args: argparse.Namespace, device: Any, recipe: str) -> Iterator[None]:
    """This package's training loop, one step for each `next`, until its images end."""
    from model_core.dataset import LabelledImage
    from model_core.inference import calculates_bfloat16
    from model_core.network import InceptionOptions, build_network
    from model_core.train.config import TrainingConfig
    from model_core.train.loop import fit_steps
    from model_core.train.pictures import TurnedPictures
    from model_core.train.validation import LabelledPictures
    from model_core.train.workers import Workers
    from model_core.transforms import Preprocessing

    needed = args.batch_size * (args.steps + 2)
    images = [LabelledImage(paths[i % len(paths)], "") for i in range(needed)]
    auxiliary = 0.4 if args.size >= 299 else 0.0
    changes: dict[str, Any] = {"size": args.size, "auxiliary_weight": auxiliary, "batch_size": args.batch_size}
    config = TrainingConfig.modern(**changes) if recipe == "modern" else TrainingConfig(**changes)
    if not calculates_bfloat16(device):
        config = TrainingConfig(**{**config.to_json(), "precision": "float32"})
    network = build_network(N_CLASSES, InceptionOptions(auxiliary_head=bool(auxiliary)), seed=args.seed)
    preprocessing = Preprocessing.for_range("imagenet", args.size)
    source = TurnedPictures(images, preprocessing, stored_size=config.stored_size, seed=args.seed)
    labelled = LabelledPictures(tuple(images), np.arange(needed) % N_CLASSES, source)
    yield from fit_steps(network, labelled, config, Workers(0, 1, device))


def draw_pictures(folder: Path, n: int, seed: int) -> None:
    """n JPEG files of 600 x 450 with the detail of a photograph: noise at several scales."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    for i in range(n):
        layers = [rng.integers(0, 256, (450 // s + 1, 600 // s + 1, 3), dtype=np.uint8) for s in (3, 15, 75)]
        scaled = [np.asarray(Image.fromarray(layer).resize((600, 450)), np.float32) for layer in layers]
        Image.fromarray(np.mean(scaled, axis=0).astype(np.uint8)).save(folder / f"{i:03d}.jpg", quality=90)
