"""k-fold cross-validation: a network trained on the partition's classes against networks trained on a level directly.

Source: Esteva et al., Nature 542:115-118 (2017), Methods, "Validation", and Extended Data Table 2: nine folds; accuracy
is the mean of the per-class accuracies; the mean and standard deviation over folds are given.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model_core.accuracy_table import as_csv, as_markdown, table
from model_core.dataset import LabelledImage, group_numbers, read_labelled_images
from model_core.evaluation import Evaluation, NamedTest, evaluate
from model_core.files import write_atomically
from model_core.manifest import DataError
from model_core.parts import read_assignment
from model_core.provenance import write_record
from model_core.split.folds import EXCLUDED, grouped_folds
from model_core.taxonomy import Taxonomy
from model_core.train.classes import ClassRule
from model_core.train.command import add_config_arguments, config_from
from model_core.train.config import TrainingConfig

if TYPE_CHECKING:
    from model_core.checkpoint import CheckpointMetadata
    from model_core.train.workers import Workers


@dataclass(frozen=True)
class Arm:
    """One way to make training classes, tried on every fold. levels: at which its answers are compared."""

    name: str
    rule: ClassRule
    levels: tuple[int, ...]


def arms(max_class_size: int | None, levels: Sequence[int], *, direct: bool) -> tuple[Arm, ...]:
    """The partition (or, without a size, a class for each label), and each level directly."""
    first = Arm("labels", ClassRule(), tuple(levels))
    if max_class_size is not None:
        first = Arm("partition", ClassRule(max_class_size=max_class_size), tuple(levels))
    return first, *(Arm(f"direct, level {level}", ClassRule(level=level), (level,)) for level in levels if direct)


def fold_numbers(images: Sequence[LabelledImage], folds: int, seed: int) -> NDArray[np.int64]:
    """(n,) by lesion and patient: neither is in two folds; classes as even as that allows."""
    return grouped_folds(group_numbers(images), [image.disease for image in images], folds=folds, seed=seed)


def crossvalidate(
    images: Sequence[LabelledImage],
    fold: NDArray[np.int64],
    out: Path,
    config: TrainingConfig,
    chosen: Sequence[Arm],
    *,
    taxonomy: Taxonomy,
    fit: NDArray[np.bool_] | None = None,
    tests: Sequence[NamedTest] = (),
    cache: Path | None = None,
    keep_models: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Train every arm on all folds but one and test it on that one; a fold that is done is not done again.

    fit: (n,) images that may be tested on; the others are only trained on (blurred ones, for example).
    No image of the fold left out chooses anything: the last epoch is taken. Returns what `summary` gives.
    Raises: DataError, TaxonomyError; train.loop.StoppedError.
    """
    from model_core.inference import find_device
    from model_core.train.run import with_known_input
    from model_core.train.workers import joined_workers

    config = with_known_input(images, config)
    results: dict[str, list[dict[str, Any]]] = {arm.name: [] for arm in chosen}
    pooled: dict[str, list[tuple[NDArray[np.intp], Any]]] = {arm.name: [] for arm in chosen}
    with joined_workers(find_device(config.device)) as workers:
        progress = progress and workers.leads
        for number in sorted(set(fold.tolist())):
            inside = np.flatnonzero((fold == number) & (True if fit is None else fit))
            training = [images[i] for i in np.flatnonzero(fold != number).tolist()]
            held_out = [images[i] for i in inside.tolist()]
            for arm in chosen:
                folder = out / f"fold_{number}" / arm.name.replace(", ", "_").replace(" ", "_")
                task = _task(training, held_out, config, arm, tests)
                done = _read_done(folder / "result.json", task)
                workers.wait()  # until all know whether it is done: then one of them writes
                if done is None:
                    done = _run_fold(
                        training, held_out, folder, config, arm, task, taxonomy, tests, cache, keep_models, workers,
                        progress,
                    )  # fmt: skip
                results[arm.name].append(done["evaluation"])
                pooled[arm.name].append((inside, done["shares"]))
                if progress:
                    print(f"Fold {number + 1}, {arm.name}: {_short(done['evaluation'], arm)}", flush=True)
    return summary(results, pooled, images, chosen, tests, taxonomy)


def _run_fold(
    training: Sequence[LabelledImage],
    held_out: Sequence[LabelledImage],
    folder: Path,
    config: TrainingConfig,
    arm: Arm,
    task: dict[str, Any],
    taxonomy: Taxonomy,
    tests: Sequence[NamedTest],
    cache: Path | None,
    keep_models: bool,
    workers: Workers,
    progress: bool,
) -> dict[str, Any]:
    """What result.json then holds. All processes train; the leading one tests and writes."""
    from model_core.train.loop import clear
    from model_core.train.run import MODEL, train

    metadata = train(training, folder, config, taxonomy=taxonomy, rule=arm.rule, cache=cache, progress=progress)
    if workers.leads:
        found = _tested(folder, metadata, held_out, config, arm, taxonomy, tests, cache, progress)
        write_atomically(folder / "result.json", json.dumps({"task": task, **found}, indent=1).encode())
        clear(folder)
        if not keep_models:
            (folder / MODEL).unlink()
    workers.wait()
    done: dict[str, Any] = json.loads((folder / "result.json").read_text("utf-8"))
    return done


def _tested(
    folder: Path,
    metadata: CheckpointMetadata,
    held_out: Sequence[LabelledImage],
    config: TrainingConfig,
    arm: Arm,
    taxonomy: Taxonomy,
    tests: Sequence[NamedTest],
    cache: Path | None,
    progress: bool,
) -> dict[str, Any]:
    """The fold's model on the images left out."""
    from model_core.train.heldout import held_out_scores
    from model_core.train.run import MODEL

    kept, probabilities = held_out_scores(folder / MODEL, held_out, folder / "held_out.json", config, cache, progress)
    tested = [t for t in tests if _can_answer(t, metadata.classes, taxonomy)]
    found: Evaluation = evaluate(
        [held_out[i] for i in kept], probabilities, metadata.classes, taxonomy, tests=tested, levels=arm.levels
    )
    shares = {}
    for test in tested:
        values = np.full(len(held_out), np.nan)
        values[kept] = taxonomy.restricted_share(metadata.classes, probabilities, test.positive, test.negative)
        shares[test.name] = [None if v != v else v for v in values.tolist()]
    return {
        "n_classes": len(metadata.classes),
        "n_training": metadata.training["n_images"],
        "evaluation": found.to_json(),
        "shares": shares,
    }


def _can_answer(test: NamedTest, classes: Any, taxonomy: Taxonomy) -> bool:
    from model_core.taxonomy import TaxonomyError

    try:
        taxonomy.restricted_share(classes, np.ones((1, len(classes))), test.positive, test.negative)
    except TaxonomyError:
        return False
    return True


def summary(
    results: dict[str, list[dict[str, Any]]],
    pooled: dict[str, list[tuple[NDArray[np.intp], Any]]],
    images: Sequence[LabelledImage],
    chosen: Sequence[Arm],
    tests: Sequence[NamedTest],
    taxonomy: Taxonomy,
) -> dict[str, Any]:
    """{arm: {"levels": {level: {"folds", "mean", "sd"}}, "tests": {name: {"folds", "mean", "sd", "pooled_auc"}}}}.

    sd: with n - 1; None of a single fold. pooled_auc: of all images by the score they got while left out.
    """
    from model_core.measures import auc

    found: dict[str, Any] = {}
    for arm in chosen:
        levels = {}
        for level in arm.levels:
            of_level = [r for e in results[arm.name] for r in e["levels"] if r["level"] == f"level {level}"]
            values = [r["mean_accuracy"] for r in of_level]
            levels[str(level)] = _spread(values) | {"classes": max((len(r["classes"]) for r in of_level), default=0)}
        named = {}
        for test in tests:
            values = [r["auc"] for e in results[arm.name] for r in e["tests"] if r["test"] == test.name]
            shares = np.full(len(images), np.nan)
            for inside, of in pooled[arm.name]:
                if test.name in of:
                    shares[inside] = [np.nan if v is None else v for v in of[test.name]]
            under = [{d for n in side for d in taxonomy.descendants(n)} for side in (test.positive, test.negative)]
            usable = np.array([i.disease in under[0] | under[1] for i in images]) & np.isfinite(shares)
            truth = np.array([i.disease in under[0] for i in images])
            named[test.name] = _spread(values) | {
                "pooled_auc": auc(truth[usable], shares[usable]) if values else None,
                "positives": int(truth[usable].sum()),
                "negatives": int((~truth[usable]).sum()),
            }
        found[arm.name] = {"levels": levels, "tests": named}
    return found


def _spread(values: Sequence[float | None]) -> dict[str, Any]:
    known = [v for v in values if v is not None]
    return {
        "folds": list(values),
        "mean": float(np.mean(known)) if known else None,
        "sd": float(np.std(known, ddof=1)) if len(known) > 1 else None,
    }


def _short(evaluation: dict[str, Any], arm: Arm) -> str:
    wanted = {f"level {level}" for level in arm.levels}
    parts = [f"{r['level']} {r['mean_accuracy']:.1%}" for r in evaluation["levels"] if r["level"] in wanted]
    return ", ".join(parts + [f"{t['test']} AUC {t['auc']:.3f}" for t in evaluation["tests"] if t["auc"] is not None])


def _task(
    training: Sequence[LabelledImage], held_out: Sequence[LabelledImage], config: TrainingConfig, arm: Arm, tests: Any
) -> dict[str, Any]:
    """What a fold's result depends on; a result of another task is not taken."""
    task = {
        "training": [[i.path.name, i.disease] for i in training],
        "held_out": [[i.path.name, i.disease] for i in held_out],
        "config": config.to_json() | {"device": None, "threads": 0},
        "arm": dataclasses.asdict(arm),
        "tests": [t.name for t in tests],
    }
    return {"sha256": hashlib.sha256(json.dumps(task, sort_keys=True).encode()).hexdigest()}


def _read_done(path: Path, task: dict[str, Any]) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return content if content.get("task") == task else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train and test over folds that keep lesions and patients together: the mean of per-class accuracies at levels "
        "of the taxonomy, with the partition and trained directly, as in the paper's Extended Data Table 2. A fold "
        "that is done is not done again. With several GPUs: torchrun --nproc-per-node N -m model_core crossvalidate ..."
    )
    parser.add_argument("--manifest", type=Path, required=True, help="CSV: file, diagnosis[, lesion_id, patient_id]")
    parser.add_argument("--images", type=Path, required=True, help="the folder that `file` is relative to")
    parser.add_argument("--out", type=Path, required=True, help="a folder: results.json, and one for each fold")
    parser.add_argument("--taxonomy", type=Path, help="CSV with id,parent,name (default: the one shipped)")
    parser.add_argument("--folds", type=int, default=9, help="(default: %(default)s, as in the paper)")
    parser.add_argument("--folds-from", type=Path, help="CSV of `split --folds`, in place of --folds")
    parser.add_argument(
        "--level",
        type=int,
        action="append",
        help="compare at this level of the taxonomy; may be repeated (default: 1 and 2)",
    )
    parser.add_argument("--max-class-size", type=int, help="of the partition (default: a class for each label)")
    parser.add_argument("--no-direct", action="store_true", help="do not train on the levels directly")
    parser.add_argument("--test", action="append", default=[], metavar="POSITIVE:NEGATIVE", help="an AUC; repeatable")
    parser.add_argument("--keep-models", action="store_true", help="keep each fold's checkpoint")
    add_config_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write results.json, table.csv, table.md and a record; print the table; 130 where it was interrupted."""
    from model_core.train.loop import StoppedError

    config = config_from(args)
    taxonomy = Taxonomy.read_csv(args.taxonomy) if args.taxonomy else Taxonomy.default()
    images = read_labelled_images(args.manifest, args.images, taxonomy, absent_too=True)
    if args.folds_from:
        images, fold, fit = _given_folds(args.folds_from, images, args.images)
    else:
        fold, fit = fold_numbers(images, args.folds, config.seed), np.ones(len(images), bool)
    levels = list(dict.fromkeys(args.level or [1, 2]))
    for level in levels:  # refuse what is not there before the work
        taxonomy.level(level)
    chosen = arms(args.max_class_size, levels, direct=not args.no_direct)
    tests = [NamedTest.parse(text, taxonomy) for text in args.test]
    try:
        found = crossvalidate(images, fold, args.out, config, chosen, fit=fit, taxonomy=taxonomy, tests=tests,
                              cache=args.cache, keep_models=args.keep_models)  # fmt: skip
    except StoppedError as stopped:
        print(stopped, file=sys.stderr)
        return 130
    if int(os.environ.get("RANK", "0")) != 0:  # of several processes one writes
        return 0
    write_atomically(args.out / "results.json", json.dumps(found, indent=1).encode())
    names = [arm.name for arm in chosen]
    write_atomically(args.out / "table.csv", as_csv(found, names, levels).encode())
    write_atomically(args.out / "table.md", as_markdown(found, names, levels).encode())
    inputs = [args.manifest, args.images, args.folds_from, args.taxonomy]
    write_record(args.out / "results.json", "crossvalidate", args, inputs=inputs,
                 results={"folds": np.bincount(fold).tolist(), **found})  # fmt: skip
    print(table(found, [arm.name for arm in chosen], levels))
    return 0


def _given_folds(
    path: Path, images: Sequence[LabelledImage], folder: Path
) -> tuple[tuple[LabelledImage, ...], NDArray[np.int64], NDArray[np.bool_]]:
    """The images that are not excluded, their folds, and which of them are fit to be tested on."""
    found = read_assignment(path, "fold", images, folder)
    kept = [i for i, of in enumerate(found.of) if of != EXCLUDED]
    if wrong := [found.of[i] for i in kept if not found.of[i].isdecimal()]:
        raise DataError(f"{path.name}, column fold: {wrong[0]!r} is neither a whole number nor {EXCLUDED!r}.")
    if len({found.of[i] for i in kept}) < 2:
        raise DataError(f"{path.name} must have at least two folds.")
    fit = np.array([not found.screened[i] for i in kept])
    return tuple(images[i] for i in kept), np.array([int(found.of[i]) for i in kept], np.int64), fit
