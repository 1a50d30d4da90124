"""Real photographs and real tables, where they are at hand (the folder `shared/data` beside this checkout)."""

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from model_core.taxonomy import aliases
from readerstudy.accounts.models import User
from readerstudy.images.models import Image
from readerstudy.images.upload import import_archive
from tests.images.material import manifest_of

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
N = 60

SETS = {
    "pad_ufes_20": {
        "modality": "clinical",
        "confirmation": lambda row: "histopathology" if row["biopsed"] == "True" else "",
    },
    "ham10000_600x450": {"modality": "dermoscopy", "confirmation": lambda row: row["dx_type"]},
}


def table(folder: str) -> list[dict[str, str]]:
    path = DATA / folder / "labels.csv"
    if not path.exists():
        pytest.skip(f"{path} is not here: the real pictures are not part of the project")
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def manifest_row(folder: str, row: dict[str, str]) -> dict[str, Any]:
    source = "pad_ufes_20" if folder == "pad_ufes_20" else "ham10000"
    confirmation: Any = SETS[folder]["confirmation"]
    return {
        "file": row["file"], "diagnosis": aliases(source)[row["dx"]], "confirmation": confirmation(row),
        "modality": SETS[folder]["modality"], "lesion_id": row["lesion_id"], "patient_id": row.get("patient_id", ""),
        "age": row["age"], "sex": row["sex"], "site": row["localization"], "skin_type": row.get("fitspatrick", ""),
    }  # fmt: skip


@pytest.mark.parametrize("folder", SETS)
def test_real_pictures_with_their_publishers_tables(folder: str, administrator: User, tmp_path: Path) -> None:
    """Values as the publishers wrote them: ages as 45.0, FEMALE, fitspatrick 3.0, dx_type follow_up."""
    rows = table(folder)
    rows = rows[:: max(1, len(rows) // N)][:N]
    archive, manifest = tmp_path / "pictures.zip", tmp_path / "truth.csv"
    with zipfile.ZipFile(archive, "w") as file:
        for row in rows:
            file.write(DATA / folder / row["file"], f"as published/{row['file']}")
    manifest.write_bytes(manifest_of([manifest_row(folder, row) for row in rows]))
    made = import_archive(archive=archive, manifest=manifest, name=folder, created_by=administrator)
    assert made.n_images == len(rows) == N
    signal_to_noise = []
    by_name = {row["file"]: row for row in rows}
    for image in made.images.select_related("reference"):
        row = by_name[image.reference.original_name.removeprefix("as published/")]
        assert_facts(image, folder, row)
        with Pillow.open(DATA / folder / row["file"]) as original, image.file.open("rb") as file:
            before = np.asarray(original.convert("RGB")).astype(float)
            after = np.asarray(Pillow.open(io.BytesIO(file.read())).convert("RGB"))
        signal_to_noise.append(10 * np.log10(255**2 / max(np.mean((before - after) ** 2), 1e-9)))
    assert len(signal_to_noise) == N
    assert min(signal_to_noise) > 40  # dB: differences of one or two steps of 255, which nobody sees


def assert_facts(image: Image, folder: str, row: dict[str, str]) -> None:
    assert image.reference.lesion_id == row["lesion_id"]
    assert image.age == (int(float(row["age"])) if row["age"] else None)
    assert image.sex == (row["sex"].lower() if row["sex"] not in ("", "unknown") else "")
    if folder == "pad_ufes_20":
        assert image.skin_type == (int(float(row["fitspatrick"])) if row["fitspatrick"] else None)
        assert (image.reference.confirmation == "histopathology") == (row["biopsed"] == "True")
    else:
        assert image.reference.confirmation == {"histo": "histopathology", "follow_up": "follow-up"}.get(
            row["dx_type"], row["dx_type"]
        )


def test_one_picture_under_two_names_is_found(administrator: User, tmp_path: Path) -> None:
    """Trap of the real files: `(1)` copies."""
    from readerstudy.images.errors import ImagesError

    row = table("pad_ufes_20")[0]
    archive, manifest = tmp_path / "pictures.zip", tmp_path / "truth.csv"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("a.jpg", "a (1).jpg"):
            file.write(DATA / "pad_ufes_20" / row["file"], name)
    manifest.write_bytes(manifest_of([{**manifest_row("pad_ufes_20", row), "file": n} for n in ("a.jpg", "a (1).jpg")]))
    with pytest.raises(ImagesError, match=r"row 3.*same picture, pixel for pixel, as “a\.jpg” \(row 2\)"):
        import_archive(archive=archive, manifest=manifest, name="A set", created_by=administrator)
