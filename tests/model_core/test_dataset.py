"""Labelled pictures: what a manifest may say, which classes it makes, what belongs together."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_core.checkpoint import group_digest
from model_core.dataset import (
    LabelledImage,
    class_targets,
    group_numbers,
    labelled_classes,
    leak_digests,
    pixel_digest,
    read_labelled_images,
)
from model_core.manifest import DataError
from model_core.taxonomy import Taxonomy, TaxonomyError
from tests.model_core.conftest import DrawnSet


def test_a_manifest_is_read(drawn: DrawnSet, taxonomy: Taxonomy) -> None:
    images = read_labelled_images(drawn.manifest, drawn.folder, taxonomy)
    assert len(images) == 24
    assert images[0] == LabelledImage(drawn.folder / "00_0.png", "melanoma", "L0", "P0")
    assert images[2].disease == "melanocytic-naevus"  # written "Melanocytic naevus"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("00_0.png,melanomma", r"row 2, column diagnosis: 'melanomma' is not a node.*Did you mean 'melanoma'"),
        ("absent.png,melanoma", r"row 2, column file: there is no file 'absent.png'"),
        ("../00_0.png,melanoma", r"row 2, column file: '../00_0.png': it must be a path inside the folder"),
        ("..\\00_0.png,melanoma", r"must be a path inside the folder"),
        ("/etc/passwd,melanoma", r"row 2, column file: '/etc/passwd': it must be a path inside the folder"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, drawn: DrawnSet, taxonomy: Taxonomy, row: str, message: str) -> None:
    manifest = tmp_path / "mine.csv"
    manifest.write_text(f"file,diagnosis\n{row}\n", "utf-8")
    with pytest.raises(DataError, match=rf"^mine\.csv, {message}|^mine\.csv.*{message}"):
        read_labelled_images(manifest, drawn.folder, taxonomy)


def test_each_label_is_a_class_and_an_upper_one_holds_the_rest(taxonomy: Taxonomy) -> None:
    labels = ["melanoma", "lentigo-maligna", "melanoma-in-situ", "keloid", "melanoma"]
    classes = labelled_classes(labels, taxonomy)
    by_node = {c.node: c for c in classes}
    assert [c.node for c in classes] == [n for n in taxonomy.nodes if n in labels]
    assert by_node["keloid"].id == "keloid"
    assert by_node["lentigo-maligna"].id == "lentigo-maligna"
    assert by_node["melanoma"].id == "melanoma:unspecified"
    assert by_node["melanoma"].n_images == 2
    assert {"melanoma", "nodular-melanoma"} <= set(by_node["melanoma"].diseases)
    assert not {"melanoma-in-situ", "lentigo-maligna"} & set(by_node["melanoma"].diseases)
    assert set(by_node["melanoma-in-situ"].diseases) == {
        *taxonomy.descendants("melanoma-in-situ")
    } - {"lentigo-maligna"}  # fmt: skip
    sums = taxonomy.sum_probabilities(classes, np.full((1, 4), 0.25), ["melanoma", "melanoma-in-situ"])
    np.testing.assert_allclose(sums, [[0.75, 0.5]])
    with pytest.raises(TaxonomyError, match="cannot be divided"):
        taxonomy.sum_probabilities(classes, np.full((1, 4), 0.25), ["nodular-melanoma"])


def test_targets(taxonomy: Taxonomy) -> None:
    classes = labelled_classes(["melanoma", "keloid"], taxonomy)
    order = [c.node for c in classes]
    found = class_targets(["nodular-melanoma", "keloid"], classes)
    assert found.tolist() == [order.index("melanoma"), order.index("keloid")]
    with pytest.raises(DataError, match="No training class holds the diagnosis 'scabies'"):
        class_targets(["scabies"], classes)


def image(lesion: str, patient: str) -> LabelledImage:
    return LabelledImage(Path("x"), "melanoma", lesion, patient)


def test_groups_are_chains_of_shared_lesions_and_patients() -> None:
    images = [
        image("a", ""),
        image("b", "p"),
        image("", "p"),  # with the one before, by its patient
        image("a", ""),  # with the first, by its lesion
        image("", ""),  # alone
        image("", ""),  # alone
        image("b", "q"),  # a lesion numbered within another patient
    ]
    groups = group_numbers(images)
    assert len(groups) == 7
    assert groups[0] == groups[3]
    assert groups[1] == groups[2]
    assert len(set(groups)) == 5
    assert set(groups) == set(range(5))


def test_digests(tmp_path: Path) -> None:
    """The pixels' digest, computed here from its definition, outlives metadata and another lossless format."""
    picture = Image.new("RGB", (2, 1))
    picture.putdata([(1, 2, 3), (4, 5, 6)])
    exif = Image.Exif()
    exif[0x010F] = "camera"
    picture.save(tmp_path / "a.png", exif=exif)
    picture.save(tmp_path / "b.tiff")
    (tmp_path / "c.png").write_bytes(b"damaged")
    images = [LabelledImage(tmp_path / name, "melanoma", "7", "p") for name in ("a.png", "b.tiff", "c.png")]
    expected = hashlib.sha256(b"2x1" + bytes([1, 2, 3, 4, 5, 6])).hexdigest()
    assert pixel_digest(tmp_path / "a.png") == expected
    found = leak_digests(images)
    assert found["pixels"] == [expected]
    assert hashlib.sha256(b"damaged").hexdigest() in found["files"]
    assert len(found["files"]) == 3
    assert found["lesions"] == [group_digest("lesion", "p/7")]
    assert found["patients"] == [group_digest("patient", "p")]
