"""`python -m model_core train`."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import os
import re
import sys
import types
import typing
from pathlib import Path
from typing import Any

from model_core.dataset import LabelledImage, read_labelled_images
from model_core.parts import of_part
from model_core.provenance import write_record
from model_core.taxonomy import Taxonomy
from model_core.train.classes import ClassRule
from model_core.train.config import CHOICES, RECIPES, TrainingConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Fine-tune Inception v3 on labelled images. The same command, given again, goes on with a run that was "
        "stopped. With several GPUs: torchrun --nproc-per-node N -m model_core train ..."
    )
    parser.add_argument("--manifest", type=Path, required=True, help="CSV: file, diagnosis[, lesion_id, patient_id]")
    parser.add_argument("--images", type=Path, required=True, help="the folder that `file` is relative to")
    parser.add_argument("--split", type=Path, help="CSV of `split`: train on its part train, validate on validation")
    parser.add_argument("--validation", type=Path, help="manifest of the images on which the best epoch is chosen")
    parser.add_argument("--validation-images", type=Path, help="their folder (default: --images)")
    parser.add_argument("--out", type=Path, required=True, help="a folder: model.safetensors, log.csv, state.pt")
    parser.add_argument("--subject", default="", help="what the images are, for the model's card")
    parser.add_argument("--restart", action="store_true", help="forget the state of an earlier run in --out")
    add_class_arguments(parser)
    add_config_arguments(parser)


def add_class_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--taxonomy", type=Path, help="CSV with id,parent,name (default: the one shipped)")
    group = parser.add_argument_group("training classes (default: one for each label)")
    group.add_argument("--max-class-size", type=int, help="partition the taxonomy into classes of at most this size")
    group.add_argument("--level", type=int, help="the nodes of this level: 1 is the three-way, 2 the nine-way task")
    group.add_argument("--classes", help="these nodes, separated by commas")


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """An option for each field of `TrainingConfig`, explained by its comment; the default is the recipe's."""
    group = parser.add_argument_group("recipe, and changes to it")
    group.add_argument("--recipe", choices=RECIPES, default="paper", help="the defaults of what follows")
    group.add_argument("--cache", type=Path, help="folder for the frozen part's activations, with --train-from")
    comments = field_comments()
    hints = typing.get_type_hints(TrainingConfig)
    modern = TrainingConfig.modern()
    for field in dataclasses.fields(TrainingConfig):
        default, other = field.default, getattr(modern, field.name)
        shown = f" ({default}" + (f"; modern: {other})" if other != default else ")") if default is not None else ""
        options: dict[str, Any] = {"default": None, "help": f"{comments[field.name]}{shown}".replace("%", "%%")}
        kind = plain_type(hints[field.name])
        if kind is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["type"] = kind
            options["metavar"] = kind.__name__.upper()
        if field.name in CHOICES:
            options["choices"] = CHOICES[field.name]
            del options["metavar"]
        group.add_argument("--" + field.name.replace("_", "-"), **options)


def plain_type(hint: Any) -> type:
    """float of `float | None`."""
    if isinstance(hint, types.UnionType):
        return next(t for t in typing.get_args(hint) if t is not type(None))
    return typing.cast(type, hint)


def field_comments() -> dict[str, str]:
    """The comment beside each field of `TrainingConfig`: written once, it is also the option's help."""
    lines = inspect.getsource(TrainingConfig).splitlines()
    found = (re.match(r"    (\w+): [^#]*# (.*)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def config_from(args: argparse.Namespace) -> TrainingConfig:
    """The recipe with the changes that were given. Raises: DataError."""
    names = [f.name for f in dataclasses.fields(TrainingConfig)]
    changes = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    return TrainingConfig.modern(**changes) if args.recipe == "modern" else TrainingConfig(**changes)


def rule_from(args: argparse.Namespace) -> ClassRule:
    nodes = tuple(node.strip() for node in (args.classes or "").split(",") if node.strip())
    return ClassRule(args.max_class_size, args.level, nodes)


def run(args: argparse.Namespace) -> int:
    """Train, write the checkpoint and a record beside it, print the card; 130 where it was interrupted."""
    config, rule = config_from(args), rule_from(args)
    taxonomy = Taxonomy.read_csv(args.taxonomy) if args.taxonomy else Taxonomy.default()
    images = read_labelled_images(args.manifest, args.images, taxonomy, absent_too=True)
    validation: tuple[LabelledImage, ...] = ()
    if args.split:
        validation = of_part(args.split, "validation", images, args.images)
        images = of_part(args.split, "train", images, args.images)
    if args.validation:
        folder = args.validation_images or args.images
        validation = read_labelled_images(args.validation, folder, taxonomy, absent_too=True)

    from model_core.train.loop import StoppedError
    from model_core.train.run import MODEL, train

    try:
        metadata = train(
            images, args.out, config, taxonomy=taxonomy, rule=rule, validation=validation, cache=args.cache,
            subject=args.subject, restart=args.restart,
        )  # fmt: skip
    except StoppedError as stopped:
        print(stopped, file=sys.stderr)
        return 130
    if int(os.environ.get("RANK", "0")) == 0:
        weights = config.weights if os.path.isfile(config.weights) else None
        results = {k: v for k, v in metadata.training.items() if k != "groups"}
        inputs = [args.manifest, args.images, args.split, args.validation, args.taxonomy, weights]
        write_record(args.out / MODEL, "train", args, inputs=inputs, outputs=[args.out / "log.csv"], results=results)
        print(metadata.training["card"])
    return 0
