"""A training run as a whole: from labelled images to a checkpoint, with what was done written into it."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model_core.checkpoint import CheckpointError, CheckpointMetadata, save
from model_core.dataset import LabelledImage, leak_digests, lesion_key
from model_core.fit import HeadSettings, prepared_backbone
from model_core.inference import calculates_bfloat16, find_device
from model_core.manifest import DataError
from model_core.network import Backbone, InceptionV3, build_network, check_weights
from model_core.provenance import versions
from model_core.taxonomy import Taxonomy, TrainingClass
from model_core.train.activations import ActivationCache, CachedPictures, describe
from model_core.train.classes import ClassRule, in_classes
from model_core.train.config import TrainingConfig
from model_core.train.loop import clear, fit
from model_core.train.pictures import Examined, PictureSource, PlainPictures, TurnedPictures, examine
from model_core.train.state import Progress
from model_core.train.validation import LabelledPictures
from model_core.train.workers import Workers, joined_workers
from model_core.transforms import INPUT_RANGES, Preprocessing

MODEL = "model.safetensors"


def train(
    images: Sequence[LabelledImage],
    out: str | os.PathLike[str],
    config: TrainingConfig | None = None,
    *,
    taxonomy: Taxonomy | None = None,
    rule: ClassRule | None = None,
    validation: Sequence[LabelledImage] = (),
    cache: str | os.PathLike[str] | None = None,
    subject: str = "",
    restart: bool = False,
    progress: bool = True,
) -> CheckpointMetadata:
    """Fine-tune a network and write `out`/model.safetensors. A run that was stopped goes on where it was.

    out: a folder, made where it is not there. validation: images on which the best epoch is chosen; those in no
    training class are left out. cache: folder of the frozen part's activations, with `config.train_from`.
    subject: what the images are, for the model's card. restart: forget the state that is in the folder.
    Raises: DataError, CheckpointError, TaxonomyError with one sentence; loop.StoppedError after Ctrl-C.
    """
    config, taxonomy = config or TrainingConfig(), taxonomy or Taxonomy.default()
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    if cache is None and config.cached_views:
        raise DataError("cached_views needs a folder for the cache.")
    device = find_device(config.device)
    if config.precision == "bfloat16" and not calculates_bfloat16(device):
        config = dataclasses.replace(config, precision="float32")
    with joined_workers(device) as workers:
        if workers.leads:
            check_weights(config.weights)
            if restart:
                clear(out)
        training_set = _examine(images, out / "training.json", config, workers, progress)
        classes = (rule or ClassRule()).classes(training_set.images, taxonomy)
        training_set = _in_classes(training_set, classes)
        validation_set = None
        if validation:
            examined = _examine(validation, out / "validation.json", config, workers, progress)
            validation_set = _in_classes(examined, classes)
            if not validation_set.images:
                raise DataError("None of the validation images lies in a training class.")
        network, preprocessing, backbone = starting_network(training_set.images, len(classes), config)
        sets = [training_set, *([validation_set] if validation_set else [])]
        store = _filled_cache(cache, sets, network, preprocessing, config, workers, progress)
        pictures = [
            LabelledPictures.of(s.images, classes, _source(s, preprocessing, config, store, training=s is training_set))
            for s in sets
        ]
        reached = fit(network, pictures[0], pictures[1] if len(pictures) > 1 else None, out, config, workers,
                      cached=store is not None, progress=progress)  # fmt: skip
        about = _training(training_set, validation_set, reached, backbone, config, taxonomy, classes, subject)
        metadata = _metadata(network, preprocessing, taxonomy, classes, about)
        if workers.leads:
            state = {n: t for n, t in network.state_dict().items() if not n.startswith("AuxLogits.")}
            save(out / MODEL, state, metadata)
        workers.wait()
    return metadata


def _metadata(
    network: InceptionV3,
    preprocessing: Preprocessing,
    taxonomy: Taxonomy,
    classes: Sequence[TrainingClass],
    training: dict[str, Any],
) -> CheckpointMetadata:
    return CheckpointMetadata(
        architecture="inception_v3",
        network=dataclasses.replace(network.options, auxiliary_head=False).to_json(),
        classes=tuple(classes),
        taxonomy_sha256=taxonomy.sha256,
        taxonomy_nodes=tuple((i, p, n) for i, p, n in taxonomy.to_json()),
        preprocessing=preprocessing.to_json(),
        training=training,
    )


def starting_network(
    images: Sequence[LabelledImage], n_classes: int, config: TrainingConfig
) -> tuple[InceptionV3, Preprocessing, Backbone]:
    """The network before the first step: the weights asked for below new last layers drawn from the seed."""
    settings = HeadSettings(
        weights=config.weights,
        seed=config.seed,
        input_range=config.input_range,
        pool_excludes_padding=config.pool_excludes_padding,
        size=config.size,
        resize=config.resize,
    )
    found, preprocessing, backbone = prepared_backbone(images, settings)
    # a checkpoint of ours brings its own; it may be trained on at another size
    preprocessing = dataclasses.replace(preprocessing, size=config.size, resize=config.resize)
    options = dataclasses.replace(found.options, auxiliary_head=bool(config.auxiliary_weight))
    network = build_network(n_classes, options, seed=config.seed)
    below = {n: t for n, t in found.state_dict().items() if not n.startswith(("fc.", "AuxLogits."))}
    network.load_state_dict(below, strict=False)
    network.dropout.p = config.dropout
    if config.train_from not in (None, "fc", *network.blocks):
        raise CheckpointError(
            f"There is no block {config.train_from!r} to train from; there are {', '.join(network.blocks)}, fc."
        )
    return network, preprocessing, backbone


def with_known_input(images: Sequence[LabelledImage], config: TrainingConfig) -> TrainingConfig:
    """The settings with the backbone's input range and pooling found out once, so that every fold takes the same."""
    known = config.input_range != "auto" and config.pool_excludes_padding is not None
    if known or config.weights in ("random", "imagenet"):
        return config
    network, preprocessing, _ = starting_network(images, 2, config)
    ranges = [name for name, (mean, _) in INPUT_RANGES.items() if mean == preprocessing.mean]
    return dataclasses.replace(
        config, input_range=ranges[0], pool_excludes_padding=network.options.pool_excludes_padding
    )


def _examine(
    images: Sequence[LabelledImage], report: Path, config: TrainingConfig, workers: Workers, progress: bool
) -> Examined:
    """By the leading process first; the others then read its report."""
    for turn in (True, False):
        if workers.leads == turn:
            found = examine(images, report, refuse=config.bad_images == "refuse", progress=progress and workers.leads)
        workers.wait()
    if workers.leads:
        for path, reason in found.skipped:
            print(f"Left out: {path}: {reason}")
    return found


def _in_classes(found: Examined, classes: Sequence[TrainingClass]) -> Examined:
    kept = in_classes(found.images, classes)
    lost = Counter(i.disease for i in found.images) - Counter(found.images[i].disease for i in kept)
    outside = tuple((f"{n} images of {node}", "no training class holds this diagnosis") for node, n in lost.items())
    return Examined(
        tuple(found.images[i] for i in kept), tuple(found.digests[i] for i in kept), (*found.skipped, *outside)
    )


def _filled_cache(
    folder: str | os.PathLike[str] | None,
    sets: Sequence[Examined],
    network: InceptionV3,
    preprocessing: Preprocessing,
    config: TrainingConfig,
    workers: Workers,
    progress: bool,
) -> ActivationCache | None:
    if folder is None:
        return None
    if not config.train_from:
        raise DataError("A cache needs a frozen part of the network: name the block to train from.")
    if workers.processes > 1:
        raise DataError("A cache of activations is for a single process.")
    network.to(workers.device).eval()
    cache = ActivationCache(Path(folder), describe(network, preprocessing, config))
    for found in sets:
        cache.fill(found.images, found.digests, network, preprocessing, config, workers.device, progress=progress)
    return cache


def _source(
    found: Examined,
    preprocessing: Preprocessing,
    config: TrainingConfig,
    cache: ActivationCache | None,
    *,
    training: bool,
) -> PictureSource:
    if cache is not None:
        return CachedPictures(cache, found.digests, augmented=training and config.augment)
    if training and config.augment:
        return TurnedPictures(found.images, preprocessing, stored_size=config.stored_size, seed=config.seed)
    return PlainPictures(found.images, preprocessing)


def _training(
    found: Examined,
    validation: Examined | None,
    reached: Progress,
    backbone: Backbone,
    config: TrainingConfig,
    taxonomy: Taxonomy,
    classes: Sequence[TrainingClass],
    subject: str,
) -> dict[str, Any]:
    """The checkpoint's account of its training; `card` is for people."""
    images = found.images
    counts = Counter(image.disease for image in images)
    lesions, patients = {lesion_key(i) for i in images} - {""}, {i.patient for i in images} - {""}
    known = [f"{len(of)} {what}" for of, what in ((lesions, "lesions"), (patients, "patients")) if of]
    diagnoses = ", ".join(f"{taxonomy.name(node)} {n}" for node, n in counts.most_common(12))
    fitted = "all layers" if config.train_from is None else f"the layers from {config.train_from} on"
    card = (
        f"Inception v3 of which {fitted} were fine-tuned on {len(images)} images{f' ({subject})' if subject else ''}"
        f"{' of ' + ' and '.join(known) if known else ', whose lesions and patients are not known'}, in {len(classes)} "
        f"training classes: {diagnoses}{' and more' if len(counts) > 12 else ''}. Started from {backbone.source}"
        f"{f' (SHA-256 {backbone.sha256})' if backbone.sha256 else ''}. {reached.epoch} epochs, the best was "
        f"{reached.best_epoch}; {config.optimizer}, learning rate {config.learning_rate:g}, {config.size} x "
        f"{config.size} pixels, seed {config.seed}. Not a medical device."
    )
    return {
        "card": card,
        "fitted": fitted,
        "n_images": len(images),
        "n_lesions": len(lesions),
        "n_patients": len(patients),
        "n_images_without_lesion": sum(not i.lesion for i in images),
        "n_images_without_patient": sum(not i.patient for i in images),
        "n_images_skipped": len(found.skipped),
        "n_images_validation": len(validation.images) if validation else 0,
        "diagnoses": dict(sorted(counts.items())),
        "backbone": dataclasses.asdict(backbone),
        "settings": config.to_json() | {"weights": Path(config.weights).name},
        "history": reached.history,
        "best_epoch": reached.best_epoch,
        "versions": versions(),
        "groups": leak_digests(images, found.digests),
    }
