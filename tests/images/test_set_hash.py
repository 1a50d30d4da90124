"""The hash of an image set: the same content has the same, anything else has another."""

import hashlib
import io
import json
import random
from typing import Any

import numpy as np
import pytest
from django.core.files.base import File
from PIL import Image as Pillow

from readerstudy.accounts.models import User
from readerstudy.images.models import ImageSet
from readerstudy.images.storing import set_sha256
from readerstudy.images.upload import import_archive
from tests.images.material import manifest_of, picture, rows_for, zip_of

N = 4
FULL = {
    "lesion_id": "L1", "patient_id": "P1", "age": "45", "sex": "female", "site": "trunk", "skin_type": "II",
}  # fmt: skip


def imported(actor: User, name: str, pictures: dict[str, bytes], rows: list[dict[str, Any]]) -> ImageSet:
    return import_archive(
        archive=File(io.BytesIO(zip_of(pictures)), "p.zip"), manifest=File(io.BytesIO(manifest_of(rows)), "m.csv"),
        name=name, created_by=actor,
    )  # fmt: skip


def material() -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    pictures = {f"{n}.jpg": picture(n) for n in range(N)}
    return pictures, [row for name in pictures for row in rows_for([name], **FULL)]


def test_order_names_folders_and_metadata_do_not_count(administrator: User) -> None:
    pictures, rows = material()
    first = imported(administrator, "first", pictures, rows)
    renamed = {f"other/x{name}": content for name, content in pictures.items()}
    with_comment = {name: content[:2] + b"\xff\xfe\x00\x06abcd" + content[2:] for name, content in renamed.items()}
    other_rows = [{**row, "file": f"other/x{row['file']}", "age": "45.0", "sex": "F", "skin_type": "2"} for row in rows]
    random.Random(3).shuffle(other_rows)
    second = imported(administrator, "second", dict(reversed(with_comment.items())), other_rows)
    assert first.sha256 == second.sha256
    names = [set(made.images.values_list("file", flat=True)) for made in (first, second)]
    assert not names[0] & names[1]


def test_another_coding_of_the_same_pixels_does_not_count(administrator: User) -> None:
    pictures, rows = material()
    first = imported(administrator, "first", pictures, rows)
    as_png = {}
    for name, content in pictures.items():
        buffer = io.BytesIO()
        with Pillow.open(io.BytesIO(content)) as image:
            image.save(buffer, "PNG")
        as_png[name.replace("jpg", "png")] = buffer.getvalue()
    second = imported(administrator, "second", as_png, [{**row, "file": row["file"][:-3] + "png"} for row in rows])
    assert first.sha256 == second.sha256


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("diagnosis", "basal cell carcinoma"), ("confirmation", "consensus"), ("modality", "clinical"),
        ("lesion_id", "L2"), ("patient_id", "P2"), ("age", "46"), ("sex", "male"), ("site", "arm"),
        ("skin_type", "III"), ("age", ""),
    ],
)  # fmt: skip
def test_every_fact_counts(column: str, value: str, administrator: User) -> None:
    pictures, rows = material()
    first = imported(administrator, "first", pictures, rows)
    second = imported(administrator, "second", pictures, [{**rows[0], column: value}, *rows[1:]])
    assert first.sha256 != second.sha256


def test_one_pixel_counts(administrator: User) -> None:
    pictures = {"a.png": picture(1, "PNG")}
    pixels = np.array(Pillow.open(io.BytesIO(pictures["a.png"])))
    pixels[0, 0, 0] ^= 1
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG")
    first = imported(administrator, "first", pictures, rows_for(["a.png"]))
    second = imported(administrator, "second", {"a.png": buffer.getvalue()}, rows_for(["a.png"]))
    assert first.sha256 != second.sha256


def test_which_picture_has_which_truth_counts(administrator: User) -> None:
    pictures, rows = material()
    two = [{**rows[0], "diagnosis": "melanoma"}, {**rows[1], "diagnosis": "basal cell carcinoma"}, *rows[2:]]
    swapped = [{**two[0], "file": two[1]["file"]}, {**two[1], "file": two[0]["file"]}, *rows[2:]]
    assert imported(administrator, "a", pictures, two).sha256 != imported(administrator, "b", pictures, swapped).sha256


def test_it_can_be_recomputed_from_the_rows_and_from_the_definition(administrator: User) -> None:
    pictures, rows = material()
    made = imported(administrator, "first", pictures, rows)
    images = list(made.images.select_related("reference"))
    assert set_sha256((image, image.reference) for image in images) == made.sha256
    lines = sorted(
        json.dumps(
            [image.pixels_sha256, "melanoma", "histopathology", "dermoscopy", "L1", "P1", 45, "female", "trunk", 2],
            separators=(",", ":"),
        )
        for image in images
    )
    assert len(lines) == N
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == made.sha256
    with Pillow.open(io.BytesIO(pictures["0.jpg"])) as image:
        expected = hashlib.sha256(b"96x72" + image.convert("RGB").tobytes()).hexdigest()
    assert made.images.get(reference__original_name="0.jpg").pixels_sha256 == expected


def test_the_taxonomy_is_named_by_its_hash(administrator: User) -> None:
    from model_core.taxonomy import Taxonomy

    assert imported(administrator, "first", *material()).taxonomy_sha256 == Taxonomy.default().sha256
