"""Prediction end to end from picture files, against a plain loop and against this machine's matrix product.

The plain loop is what one would write with torchvision: `inception_v3` in float32, Pillow, a DataLoader with two worker
processes, batches of 32. The bound is what the network's multiplications take at the speed of a large bfloat16 matrix
product; decoding alone, and on a GPU copying alone, are timed beside it. All take turns, because a shared machine
changes its speed while it is measured; medians are compared. The same command checks that the probabilities are those
of the float32 reference, to 0.02, and the AUC to 0.002.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from model_core.provenance import seed_option, write_record

if TYPE_CHECKING:
    import torch

    from model_core.inference import Classifier

SUMMARY = "prediction from picture files against a plain loop, and against the bound of the matrix product"
PLAIN, OURS = "plain loop", "predict"
BOUND, DECODING, COPYING = "matrix product", "decoding alone", "copying alone"
AUC_LIMIT = 0.002
MATRIX = {"cpu": 2048, "cuda": 8192}  # rows and columns; large enough for the full speed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__.partition("\n\n")[0]
    parser.add_argument("--model", type=Path, help="a checkpoint (default: random layers, the last one fitted)")
    parser.add_argument("--manifest", type=Path, help="CSV: file, diagnosis (default: drawn JPEG files, 600 x 450)")
    parser.add_argument("--images", type=Path, help="the folder that `file` is relative to; goes with --manifest")
    parser.add_argument("--test", default="melanoma:benign-melanocytic", help="of the AUC (default: %(default)s)")
    parser.add_argument("--check", type=int, default=96, help="pictures compared with float32 (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="(default: %(default)s)")
    parser.add_argument("--batches", type=int, default=2, help="timed in a turn (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="of the plain loop's DataLoader (default: %(default)s)")
    parser.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16", "float16"), default="auto")
    parser.add_argument("--seed", type=seed_option, default=0, help="of what is drawn (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="JSON: every time, the medians and their ratios")


def run(args: argparse.Namespace) -> int:
    """Measure, write the JSON and a record beside it, print the ratios; 1 where the probabilities differ too much."""
    import torch

    from model_core.benchmark.accuracy import check_accuracy, material
    from model_core.inference import Classifier

    with tempfile.TemporaryDirectory() as scratch:
        given = material(args, Path(scratch))
        classifier = Classifier.load(given.model, args.device, args.precision)
        found: dict[str, Any] = check_accuracy(given, classifier, args.batch_size)
        paths = [image.path for image in given.images]
        flops = flops_of_a_picture(classifier)
        plain = plain_network(len(classifier.classes), classifier.device)
        sides: dict[str, Callable[[], tuple[float, float]]] = {
            PLAIN: lambda: timed(plain_loop(plain, paths, classifier, args), args),
            OURS: lambda: timed(own_loop(paths, classifier, args), args),
            BOUND: lambda: matrix_product(classifier, flops),
            DECODING: lambda: timed(decoding_loop(paths, classifier, args), args),
        }
        if classifier.device.type == "cuda":
            sides[COPYING] = lambda: copying(classifier, args.batch_size)
        found |= summarised(interleaved(sides, args.rounds))
    found |= {"device": str(classifier.device), "precision": classifier.precision, "flops_of_a_picture": flops}
    found |= {"note": classifier.note}
    found |= {"size": classifier.preprocessing.size, "threads": torch.get_num_threads(), "machine": platform.machine()}
    args.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    results = {k: v for k, v in found.items() if k not in ("seconds", "processor_seconds")}
    inputs = [args.model, args.manifest, args.images]
    write_record(args.out, "benchmark predict", args, inputs=inputs, results=results)
    print(report(found))
    return 0 if found["within_limits"] else 1


def interleaved(
    sides: dict[str, Callable[[], tuple[float, float]]], rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """(seconds, processor seconds of this process) a picture, of every side in every round, in turns."""
    from tqdm import tqdm

    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in tqdm(range(rounds), desc="Rounds"):
        for name, measure in sides.items():
            times[name].append(measure())
    return times


def timed(batches: Iterator[int], args: argparse.Namespace) -> tuple[float, float]:
    """(seconds, processor seconds of this process) a picture of a running loop. Its first batch is not timed.

    batches: gives each batch's number of pictures, for ever, so that the loop is as full at the end as at the start.
    """
    with closing(batches):  # type: ignore[type-var]
        next(batches)
        begun, used, n = time.perf_counter(), time.process_time(), 0
        for _ in range(args.batches):
            n += next(batches)
        return (time.perf_counter() - begun) / n, (time.process_time() - used) / n


def summarised(times: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    """Medians, and how they compare. The plain loop's processor time is not known: its workers are other processes."""
    wall = {name: median(seconds for seconds, _ in values) for name, values in times.items()}
    used = {name: median(seconds for _, seconds in values) for name, values in times.items() if name != PLAIN}
    slowest = max((name for name in (BOUND, DECODING, COPYING) if name in wall), key=wall.__getitem__)
    return {
        "bound": slowest,
        "share_of_the_slowest": wall[slowest] / wall[OURS],
        "images_per_second": {name: 1 / seconds for name, seconds in wall.items()},
        "times_the_plain_loop": wall[PLAIN] / wall[OURS],
        "share_of_the_bound": wall[BOUND] / wall[OURS],
        "share_of_the_bound_by_processor_time": used[BOUND] / used[OURS],
        "processor_seconds_a_picture": used,
        "seconds": {name: [seconds for seconds, _ in values] for name, values in times.items()},
        "processor_seconds": {name: [seconds for _, seconds in times[name]] for name in used},
    }


def plain_network(n_classes: int, device: torch.device) -> torch.nn.Module:
    from torchvision.models import inception_v3

    return inception_v3(num_classes=n_classes, aux_logits=False, init_weights=False).to(device).eval()


def plain_loop(
    network: torch.nn.Module, paths: Sequence[Path], classifier: Classifier, args: argparse.Namespace
) -> Iterator[int]:
    """Pictures of each batch, for ever."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision import transforms

    from model_core.benchmark.pictures import Pictures

    size = classifier.preprocessing.size
    steps = transforms.Compose(
        [
            transforms.Resize((size, size)),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    loader = DataLoader(
        Pictures(paths, steps, 1_000_000), batch_size=args.batch_size, num_workers=args.workers,
        pin_memory=classifier.device.type == "cuda",
    )  # fmt: skip
    for x, _ in loader:
        with torch.no_grad():
            probabilities = network(x.to(classifier.device)).softmax(1).cpu().numpy()
        yield len(probabilities)


def own_loop(paths: Sequence[Path], classifier: Classifier, args: argparse.Namespace) -> Iterator[int]:
    """Pictures of each batch, for ever."""
    for batch in classifier.stream(cycle(paths), args.batch_size):
        yield len(batch.probabilities)


def decoding_loop(paths: Sequence[Path], classifier: Classifier, args: argparse.Namespace) -> Iterator[int]:
    """Pictures of each batch, for ever, decoded as `predict` does and thrown away."""
    from model_core.inference import decoded_batches

    source = decoded_batches(cycle(paths), classifier.preprocessing, args.batch_size, reduced=not classifier.exact)
    with closing(source):
        for batch in source:
            yield len(batch)


def copying(classifier: Classifier, batch_size: int, times: int = 20) -> tuple[float, float]:
    """(seconds, processor seconds) a picture to bring batches of pixels to the GPU, pinned on the way."""
    import numpy as np
    import torch

    from model_core.inference.pixels import on_device

    size = classifier.preprocessing.size
    pixels = np.zeros((batch_size, size, size, 3), np.uint8)
    on_device(pixels, classifier.device)
    torch.cuda.synchronize(classifier.device)
    begun, used = time.perf_counter(), time.process_time()
    for _ in range(times):
        on_device(pixels, classifier.device)
    torch.cuda.synchronize(classifier.device)
    n = times * batch_size
    return (time.perf_counter() - begun) / n, (time.process_time() - used) / n


def flops_of_a_picture(classifier: Classifier) -> int:
    """Floating-point operations of the convolutions; a multiplication and an addition are two. 11.4e9 at 299 x 299."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from model_core.network import InceptionV3

    with torch.device("meta"):
        network = InceptionV3(len(classifier.classes)).eval()
        x = torch.empty(1, 3, classifier.preprocessing.size, classifier.preprocessing.size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.features(x)
    return int(counter.get_total_flops())


def matrix_product(classifier: Classifier, flops: int, seconds: float = 1.0) -> tuple[float, float]:
    """(seconds, processor seconds) that `flops` take at the speed of a large matrix product in the same precision.

    On a processor every thread multiplies matrices of its own, so that none waits for another: the highest bound.
    """
    import torch

    from model_core.inference.lanes import limit_threads
    from model_core.inference.precision import PRECISIONS

    device, dtype = classifier.device, PRECISIONS[classifier.precision]
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    n = MATRIX[device.type]
    a = torch.rand(n, n, device=device).to(dtype)

    def work() -> int:
        torch.mm(a, a)
        until, products = time.perf_counter() + seconds, 0
        while time.perf_counter() < until:
            torch.mm(a, a)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            products += 1
        return products

    with ThreadPoolExecutor(threads, initializer=limit_threads, initargs=(1,)) as pool:
        begun, used = time.perf_counter(), time.process_time()
        products = sum(future.result() + 1 for future in [pool.submit(work) for _ in range(threads)])
        wall, used = time.perf_counter() - begun, time.process_time() - used
    pictures = products * 2 * n**3 / flops
    return wall / pictures, used / pictures


def report(found: dict[str, Any]) -> str:
    """As text, for people."""
    from model_core.inference.agreement import PROBABILITY_LIMIT

    speed = found["images_per_second"]
    within = "within" if found["within_limits"] else "NOT within"
    return "\n".join(
        [
            *(f"{name:16} {value:8.2f} images/s" for name, value in speed.items()),
            f"{found['times_the_plain_loop']:.2f} times the plain loop; {found['share_of_the_bound']:.0%} of the bound "
            f"set by the matrix product ({found['share_of_the_bound_by_processor_time']:.0%} by processor time)",
            f"The slowest of its parts is {found['bound']}: predict reaches {found['share_of_the_slowest']:.0%} of it.",
            f"{found['checked']} pictures against float32: probabilities differ by at most "
            f"{found['probability_difference']:.4f}, AUC {found['auc']:.4f} by {found['auc_difference']:.4f} "
            f"({within} {PROBABILITY_LIMIT} and {AUC_LIMIT})",
            *([found["note"]] if found["note"] else []),
        ]
    )
