"""Whether the fast way says the same as the float32 reference: probabilities, and an AUC."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from model_core.benchmark.predict import AUC_LIMIT
from model_core.benchmark.train_step import draw_pictures
from model_core.checkpoint import CheckpointMetadata, save
from model_core.dataset import LabelledImage, read_labelled_images
from model_core.evaluation import NamedTest
from model_core.inference import Classifier, FeatureExtractor
from model_core.inference.agreement import PROBABILITY_LIMIT
from model_core.manifest import DataError
from model_core.measures import auc
from model_core.taxonomy import Taxonomy

CLASSES = ("melanoma", "melanocytic-naevus")
FITTED = 48  # drawn pictures that the last layer is fitted on; none of them is compared


@dataclass(frozen=True)
class Material:
    """images: those compared, each on one side of the test."""

    model: Path
    images: tuple[LabelledImage, ...]
    test: NamedTest


def material(args: argparse.Namespace, scratch: Path) -> Material:
    """What the arguments name; pictures that are drawn, and a model that is fitted on others, where they name none."""
    taxonomy = Taxonomy.default()
    test = NamedTest.parse(args.test, taxonomy)
    if (args.manifest is None) != (args.images is None):
        raise DataError("--manifest and --images go together.")
    if args.manifest is None:
        (scratch / "fitted").mkdir()
        (scratch / "compared").mkdir()
        images = draw_lesions(scratch / "compared", args.check, args.seed + 1)
    else:
        images = read_labelled_images(args.manifest, args.images, taxonomy)
        images = chosen(images, test, taxonomy, args.check, args.seed)
    model = args.model
    if model is None:
        fitted = scratch / "fitted"
        fitted.mkdir(exist_ok=True)
        model = scratch / "model.safetensors"
        fit_model(model, draw_lesions(fitted, FITTED, args.seed), taxonomy, args)
    return Material(model, images, test)


def chosen(
    images: Sequence[LabelledImage], test: NamedTest, taxonomy: Taxonomy, n: int, seed: int
) -> tuple[LabelledImage, ...]:
    """At most n images, drawn at random: half of them positive in the test, half negative, as far as there are."""
    sides = [{d for node in nodes for d in taxonomy.descendants(node)} for nodes in (test.positive, test.negative)]
    rng = np.random.default_rng(seed)
    found = []
    for side in sides:
        there = [i for i, image in enumerate(images) if image.disease in side]
        found += sorted(rng.permutation(there)[: n // 2].tolist())
    if not found:
        raise DataError(f"No image of the manifest is on a side of the test {test.name}.")
    return tuple(images[i] for i in found)


def check_accuracy(given: Material, classifier: Classifier, batch_size: int) -> dict[str, Any]:
    """Largest difference of a probability, and of the AUC, from the float32 reference on the same device."""
    paths = [image.path for image in given.images]
    reference = Classifier.load(given.model, classifier.device, "float32")
    found, expected = (c.predict(paths, batch_size) for c in (classifier, reference))
    if expected.failures:
        failure = expected.failures[0]
        raise DataError(f"{paths[failure.index]}: {failure.reason}")
    if found.failures:
        raise DataError(f"{paths[found.failures[0].index]}: {found.failures[0].reason}")
    difference = float(np.abs(found.probabilities - expected.probabilities).max())
    areas = [_auc(given, classifier, p.probabilities) for p in (found, expected)]
    auc_difference = abs(areas[0] - areas[1])
    return {
        "checked": len(paths),
        "probability_difference": difference,
        "auc": areas[0],
        "auc_of_float32": areas[1],
        "auc_difference": auc_difference,
        "within_limits": difference <= PROBABILITY_LIMIT and auc_difference <= AUC_LIMIT,
    }


def _auc(given: Material, classifier: Classifier, probabilities: NDArray[np.float32]) -> float:
    taxonomy = classifier.metadata.taxonomy()
    positive = {d for node in given.test.positive for d in taxonomy.descendants(node)}
    share = taxonomy.restricted_share(classifier.classes, probabilities, given.test.positive, given.test.negative)
    return auc([image.disease in positive for image in given.images], share)


def draw_lesions(folder: Path, n: int, seed: int) -> tuple[LabelledImage, ...]:
    """n JPEG files of 600 x 450: a spot on grain of several scales; every other one, darker, is a melanoma."""
    draw_pictures(folder, n, seed)
    rng = np.random.default_rng(seed)
    found = []
    for i, path in enumerate(sorted(folder.glob("*.jpg"))):
        malignant = i % 2 == 0
        shade = int(np.clip(rng.normal(70 if malignant else 100, 25), 0, 160))
        with Image.open(path) as image:
            spot = Image.new("L", image.size)
            x, y = int(rng.integers(150, 250)), int(rng.integers(100, 180))
            ImageDraw.Draw(spot).ellipse((x, y, x + 220, y + 180), fill=150)
            image.paste((shade + 40, shade + 10, shade), mask=spot)
            image.save(path, quality=90)
        found.append(LabelledImage(path, CLASSES[0] if malignant else CLASSES[1]))
    return tuple(found)


def fit_model(path: Path, images: Sequence[LabelledImage], taxonomy: Taxonomy, args: argparse.Namespace) -> None:
    """Random orthogonal layers, measured and with a last layer fitted on the images: a model that tells them apart."""
    import torch

    from model_core.batchnorm import BATCH, calibrate
    from model_core.logistic import fit_last_layer
    from model_core.network import build_network, randomise
    from model_core.transforms import Preprocessing, open_image

    preprocessing = Preprocessing()
    network = build_network(len(CLASSES), seed=args.seed)
    randomise(network, args.seed)
    pixels = np.stack([preprocessing.pixels(open_image(image.path)) for image in images])
    calibrate(network, preprocessing, pixels[:BATCH])
    features = FeatureExtractor(network, preprocessing, device=args.device).features(pixels)
    targets = np.array([CLASSES.index(image.disease) for image in images])
    layer = fit_last_layer(features, targets, np.arange(len(images)), len(CLASSES), seed=args.seed)
    network.fc.to("cpu").load_state_dict(
        {"weight": torch.from_numpy(layer.weight), "bias": torch.from_numpy(layer.bias)}
    )
    metadata = CheckpointMetadata(
        architecture="inception_v3",
        network=network.options.to_json(),
        classes=tuple(taxonomy.whole_class(node, len(images) // 2) for node in CLASSES),
        taxonomy_sha256=taxonomy.sha256,
        taxonomy_nodes=tuple((i, p, n) for i, p, n in taxonomy.to_json()),
        preprocessing=preprocessing.to_json(),
        training={"card": "Random layers, the last one fitted on drawn pictures, to measure speed with."},
    )
    save(path, network.state_dict(), metadata)
