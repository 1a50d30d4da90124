"""Fitting the last layer alone: a logistic regression on what a fixed Inception v3 sees in each picture.

A few minutes without a GPU, where fine-tuning all layers (as the paper did) would take days. What comes out is a whole
checkpoint, whose card says that only its last layer was fitted, and on what.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model_core.checkpoint import CheckpointError, CheckpointMetadata, save
from model_core.dataset import (
    LabelledImage,
    class_targets,
    group_numbers,
    labelled_classes,
    leak_digests,
    lesion_key,
    read_labelled_images,
)
from model_core.fit_features import VIEWS, HeadFeatures, extract
from model_core.logistic import LastLayer, fit_last_layer
from model_core.manifest import DataError
from model_core.provenance import seed_option, versions, write_record
from model_core.taxonomy import Taxonomy
from model_core.transforms import INPUT_RANGES, RESIZE_POLICIES, Preprocessing

if TYPE_CHECKING:
    from model_core.network import Backbone, InceptionV3


@dataclass(frozen=True)
class HeadSettings:
    """How `fit_head` works; every field is recorded in the checkpoint."""

    weights: str = "random"  # a file, "random", or "imagenet" (torchvision's, downloaded)
    seed: int = 0  # of random weights, the shuffling of folds
    input_range: str = "auto"  # what the backbone's input was: unit, inception, imagenet; auto: see batchnorm
    pool_excludes_padding: bool | None = None  # None: found out as the input range is
    size: int = 299  # pixels, as in the paper
    resize: str = "squash"  # or crop; see transforms
    flips: str = "horizontal"  # also fit on mirrored pictures: none, horizontal, both (four views)
    folds: int = 5  # of the cross-validation that chooses the penalty
    batch_size: int = 32
    device: str | None = None  # None: a GPU where there is one
    refuse_bad: bool = False  # stop at a picture that cannot be decoded, in place of leaving it out
    subject: str = ""  # what the pictures are, for the card: "HAM10000, 384 x 288", "drawn by code"


def fit_head(
    images: Sequence[LabelledImage],
    out: str | os.PathLike[str],
    settings: HeadSettings | None = None,
    taxonomy: Taxonomy | None = None,
    *,
    cache: Path | None = None,
    progress: bool = True,
) -> CheckpointMetadata:
    """Fit the last layer on labelled pictures and write the checkpoint `out`.

    Each node that occurs as a label becomes a training class. taxonomy: the shipped one where None. cache: a folder for
    features, with which a run that was stopped goes on where it was; removed once `out` is written.
    progress: draw a bar on the standard error. Returns the metadata written.
    Raises: DataError for fewer than two classes or pictures that cannot be used; CheckpointError for unusable weights.
    """
    settings, taxonomy = settings or HeadSettings(), taxonomy or Taxonomy.default()
    if len({image.disease for image in images}) < 2:
        raise DataError("Fitting needs pictures of at least two diagnoses.")
    network, preprocessing, backbone = prepared_backbone(images, settings)
    features = extract(network, preprocessing, images, settings, cache, progress)
    classes = labelled_classes([image.disease for image in features.used], taxonomy)
    if len(classes) < 2:
        raise DataError(f"Fitting needs pictures of at least two diagnoses; {len(features.skipped)} were left out.")
    targets = class_targets([image.disease for image in features.used], classes)
    layer = fit_last_layer(
        features.values, targets, group_numbers(features.used), len(classes), folds=settings.folds, seed=settings.seed
    )
    state = network.state_dict()
    import torch

    state["fc.weight"], state["fc.bias"] = torch.from_numpy(layer.weight), torch.from_numpy(layer.bias)
    metadata = CheckpointMetadata(
        architecture="inception_v3",
        network=network.options.to_json(),
        classes=classes,
        taxonomy_sha256=taxonomy.sha256,
        taxonomy_nodes=tuple((i, p, n) for i, p, n in taxonomy.to_json()),
        preprocessing=preprocessing.to_json(),
        training=_training(features, layer, backbone, settings, taxonomy),
    )
    save(out, state, metadata)
    if cache is not None:
        shutil.rmtree(cache, ignore_errors=True)
    return metadata


def prepared_backbone(
    images: Sequence[LabelledImage], settings: HeadSettings
) -> tuple[InceptionV3, Preprocessing, Backbone]:
    """The network below the last layer, on the CPU, and the preprocessing that fits it.

    A random network's batch-norm statistics are measured on the pictures; a pretrained one's tell what its input was.
    """
    from model_core import batchnorm
    from model_core.network import (
        InceptionOptions,
        build_network,
        checkpoint_metadata,
        load_backbone,
        load_imagenet,
        randomise,
    )

    pools = settings.pool_excludes_padding
    options = InceptionOptions(pool_excludes_padding=bool(pools))
    known = settings.input_range if settings.input_range != "auto" else None
    if settings.weights == "random":
        network = build_network(1, options, seed=settings.seed)
        backbone = randomise(network, settings.seed)
        preprocessing = Preprocessing.for_range(known or "imagenet", settings.size, settings.resize)
        batchnorm.calibrate(network, preprocessing, _sample_pixels(images, preprocessing, 64, settings.seed))
        return network, preprocessing, backbone
    if settings.weights == "imagenet":
        network = build_network(1, InceptionOptions(), seed=settings.seed)
        preprocessing = Preprocessing.for_range("inception", settings.size, settings.resize)
        return network, preprocessing, load_imagenet(network)
    own = checkpoint_metadata(settings.weights)
    if own is not None:
        network = build_network(1, InceptionOptions.from_json(own.network, settings.weights), seed=settings.seed)
        return network, Preprocessing.from_json(own.preprocessing), load_backbone(network, settings.weights)
    network = build_network(1, options, seed=settings.seed)
    backbone = load_backbone(network, settings.weights)
    if known is None or pools is None:
        pixels = _sample_pixels(images, Preprocessing(settings.size, settings.resize), batchnorm.BATCH, settings.seed)
        found = batchnorm.detect_input(network, pixels, (known,) if known else tuple(INPUT_RANGES))
        known, pools = found[0], found[1] if pools is None else pools
        network = build_network(1, InceptionOptions(pools), seed=settings.seed)
        load_backbone(network, settings.weights)
    return network, Preprocessing.for_range(known, settings.size, settings.resize), backbone


def _sample_pixels(
    images: Sequence[LabelledImage], preprocessing: Preprocessing, n: int, seed: int
) -> NDArray[np.uint8]:
    from model_core.inference import decoded_batches

    order = np.random.default_rng(seed).permutation(len(images))
    found: list[NDArray[np.uint8]] = []
    for batch in decoded_batches((images[i].path for i in order), preprocessing, 16):
        found.extend(item for item in batch if not isinstance(item, str))
        if len(found) >= n:
            break
    if not found:
        raise DataError("None of the pictures can be decoded.")
    return np.stack(found[:n])


def _training(
    features: HeadFeatures, layer: LastLayer, backbone: Backbone, settings: HeadSettings, taxonomy: Taxonomy
) -> dict[str, Any]:
    images = features.used
    counts = Counter(image.disease for image in images)
    lesions, patients = {lesion_key(i) for i in images} - {""}, {i.patient for i in images} - {""}
    return {
        "card": _card(counts, len(lesions), len(patients), layer, backbone, settings, taxonomy),
        "fitted": "last layer",
        "n_images": len(images),
        "n_lesions": len(lesions),
        "n_patients": len(patients),
        "n_images_without_lesion": sum(not i.lesion for i in images),
        "n_images_without_patient": sum(not i.patient for i in images),
        "n_images_skipped": len(features.skipped),
        "diagnoses": dict(sorted(counts.items())),
        "backbone": dataclasses.asdict(backbone),
        "settings": dataclasses.asdict(settings) | {"weights": Path(settings.weights).name},
        "penalty": {"C": layer.c, "chosen": layer.how_chosen, "held_out_log_loss": layer.log_losses},
        "versions": versions(),
        "groups": leak_digests(images),
    }


def _card(
    counts: Counter[str],
    lesions: int,
    patients: int,
    layer: LastLayer,
    backbone: Backbone,
    settings: HeadSettings,
    taxonomy: Taxonomy,
) -> str:
    of = f" ({settings.subject})" if settings.subject else ""
    known = [f"{n} {what}" for n, what in ((lesions, "lesions"), (patients, "patients")) if n]
    diagnoses = ", ".join(f"{taxonomy.name(node)} {n}" for node, n in counts.most_common())
    if backbone.sha256:
        below = f"All other layers are those of {backbone.source} (SHA-256 {backbone.sha256}), unchanged."
    else:
        below = f"All other layers have {backbone.source}; only their batch-norm statistics were measured on pictures."
    return (
        f"Inception v3 of which only the last layer was fitted, by logistic regression, on {counts.total()} images{of}"
        f"{' of ' + ' and '.join(known) if known else ', whose lesions and patients are not known'}: {diagnoses}. "
        f"{below} Penalty C = {layer.c:g}, {layer.how_chosen}. Seed {settings.seed}. Not a medical device."
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Fit the last layer of an Inception v3 on labelled pictures, in minutes and without a GPU."
    default = HeadSettings()
    parser.add_argument("--manifest", type=Path, required=True, help="CSV: file, diagnosis[, lesion_id, patient_id]")
    parser.add_argument("--images", type=Path, required=True, help="the folder that `file` is relative to")
    parser.add_argument(
        "--weights", required=True, help="a backbone (.safetensors, .pth; torchvision's names), random, or imagenet"
    )
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint to write (.safetensors)")
    parser.add_argument("--seed", type=seed_option, default=default.seed)
    parser.add_argument("--taxonomy", type=Path, help="CSV with id,parent,name (default: the one shipped)")
    parser.add_argument(
        "--input-range",
        choices=("auto", *INPUT_RANGES),
        default=default.input_range,
        help="what the backbone's input was; unit: [0, 1], inception: [-1, 1] (default: found from its batch norms)",
    )
    parser.add_argument(
        "--pool-excludes-padding",
        action=argparse.BooleanOptionalAction,
        help="whether its average pools leave the padding out (default: found from its batch norms)",
    )
    parser.add_argument("--resize", choices=RESIZE_POLICIES, default=default.resize)
    parser.add_argument("--flips", choices=VIEWS, default=default.flips, help="fit on mirrored pictures too")
    parser.add_argument("--folds", type=int, default=default.folds)
    parser.add_argument("--batch-size", type=int, default=default.batch_size)
    parser.add_argument("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    parser.add_argument("--refuse-bad", action="store_true", help="stop at a damaged picture (default: leave it out)")
    parser.add_argument("--subject", default=default.subject, help="what the pictures are, for the model's card")


def run(args: argparse.Namespace) -> int:
    """Fit, write the checkpoint and a record beside it, print the card."""
    taxonomy = Taxonomy.read_csv(args.taxonomy) if args.taxonomy else Taxonomy.default()
    names = {f.name for f in dataclasses.fields(HeadSettings)} & set(vars(args))
    settings = HeadSettings(**{name: getattr(args, name) for name in names})
    if not args.out.parent.is_dir():
        raise CheckpointError(f"The folder of {args.out} does not exist.")
    images = read_labelled_images(args.manifest, args.images, taxonomy)
    from model_core.network import check_weights

    check_weights(settings.weights)
    metadata = fit_head(images, args.out, settings, taxonomy, cache=args.out.with_name(f"{args.out.name}.features"))
    weights = settings.weights if os.path.isfile(settings.weights) else None
    results = {k: v for k, v in metadata.training.items() if k != "groups"}
    write_record(args.out, "fit-head", args, inputs=[args.manifest, args.images, weights], results=results)
    print(metadata.training["card"])
    return 0
