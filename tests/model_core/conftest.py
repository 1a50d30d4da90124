"""Small drawn pictures and a small checkpoint, made once for the whole folder."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageDraw

from model_core.taxonomy import Taxonomy

if TYPE_CHECKING:
    from model_core.network import InceptionV3

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; a test that needs it is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"the real data are not at {SHARED}")
    return SHARED


@dataclass(frozen=True)
class DrawnSet:
    """folder: of the pictures; manifest: its CSV; files: their names, in the manifest's order."""

    folder: Path
    manifest: Path
    files: tuple[str, ...]


def draw_lesion(rng: np.random.Generator, malignant: bool) -> Image.Image:
    """A brown ellipse on skin; a malignant one is darker and has a second lobe. 64 x 48 pixels."""
    skin = rng.integers(190, 220)
    image = Image.new("RGB", (64, 48), (skin, skin - 30, skin - 50))
    draw = ImageDraw.Draw(image)
    shade = int(rng.integers(20, 50) if malignant else rng.integers(90, 130))
    x, y = rng.integers(14, 20), rng.integers(10, 16)
    draw.ellipse((x, y, x + 26, y + 20), fill=(shade + 40, shade + 10, shade))
    if malignant:
        draw.ellipse((x + 16, y + 6, x + 36, y + 24), fill=(shade, shade // 2, shade // 2))
    return image


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> DrawnSet:
    """24 pictures of 12 lesions, two each: 6 melanomas, 6 naevi."""
    folder = tmp_path_factory.mktemp("drawn")
    rng = np.random.default_rng(7)
    rows = []
    for lesion in range(12):
        for view in range(2):
            malignant = lesion % 2 == 0
            name = f"{lesion:02d}_{view}.png"
            draw_lesion(rng, malignant).save(folder / name)
            diagnosis = "melanoma" if malignant else "Melanocytic naevus"
            rows.append((name, diagnosis, f"L{lesion}", f"P{lesion // 2}"))
    manifest = folder / "manifest.csv"
    with open(manifest, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "diagnosis", "lesion_id", "patient_id"))
        writer.writerows(rows)
    return DrawnSet(folder, manifest, tuple(row[0] for row in rows))


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return Taxonomy.default()


@pytest.fixture(scope="session")
def network(drawn: DrawnSet) -> InceptionV3:
    """Random layers, pools that leave the padding out, three outputs.

    Their batch norms have a bias of 1, without which rounding errors grow from layer to layer, and were measured on
    drawn pictures; unmeasured, only the last layer's bias would come out.
    """
    from model_core.batchnorm import calibrate
    from model_core.network import InceptionOptions, build_network, randomise
    from model_core.transforms import Preprocessing

    made = build_network(3, InceptionOptions(pool_excludes_padding=True), seed=3)
    randomise(made, seed=3)
    preprocessing = Preprocessing.for_range("unit")
    pixels = [preprocessing.pixels(Image.open(drawn.folder / name)) for name in drawn.files[:6]]
    calibrate(made, preprocessing, np.stack(pixels))
    return made


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory, taxonomy: Taxonomy, network: InceptionV3) -> Path:
    """A checkpoint of `network` with three classes, input range "unit"."""
    from model_core.checkpoint import CheckpointMetadata, save
    from model_core.transforms import Preprocessing

    classes = tuple(taxonomy.whole_class(node, 10) for node in ("melanoma", "melanocytic-naevus", "dermatofibroma"))
    metadata = CheckpointMetadata(
        architecture="inception_v3",
        network=network.options.to_json(),
        classes=classes,
        taxonomy_sha256=taxonomy.sha256,
        taxonomy_nodes=tuple((i, p, n) for i, p, n in taxonomy.to_json()),
        preprocessing=Preprocessing.for_range("unit").to_json(),
        training={"card": "Random weights, for tests."},
    )
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    save(path, network.state_dict(), metadata)
    return path


@pytest.fixture(scope="session")
def small_model_file(tmp_path_factory: pytest.TempPathFactory, model_file: Path) -> Path:
    """`model_file` with an input of 75 x 75, the least that the network takes: a sixteenth of the time."""
    from model_core import checkpoint

    state, metadata = checkpoint.load(model_file)
    path = tmp_path_factory.mktemp("small") / "small.safetensors"
    checkpoint.save(path, state, replace(metadata, preprocessing=metadata.preprocessing | {"size": 75}))
    return path
