"""The publishers' label files: which columns tell them apart, and what a row of each says of an image.

Facts that are not in a file but in the publisher's description are set here, with their source: the ISIC challenges of
2017 to 2020 and HAM10000 are dermoscopic; PAD-UFES-20 (Pacheco et al., Data in Brief 2020) are photographs from phones,
its lesions either biopsied or agreed on by dermatologists; DDI (Daneshjou et al., Science Advances 2022) is confirmed
by pathology throughout; of ISIC 2020 (Rotemberg et al., Scientific Data 2021) every malignant image is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from model_core.files import IMAGE_SUFFIXES
from model_core.labels.values import image_id, is_true, known
from model_core.manifest import DataError, read_table

Row = Mapping[str, str]

ISIC2018 = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
ISIC2019 = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
MILK10K = ("AKIEC", "BCC", "BEN_OTH", "BKL", "DF", "INF", "MAL_OTH", "MEL", "NV", "SCCKA", "VASC")


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one row of one file says of one image (or, where `image` is empty, of one lesion or the n-th image).

    `label` is the publisher's, "a:b:c" where it is a path of ever finer ones; `facts` are manifest columns, unchecked.
    """

    image: str
    label: str
    facts: Mapping[str, str]
    row: int
    file: str = ""
    ordinal: int = 0


@dataclass(frozen=True, slots=True)
class Format:
    """`needs` are the columns that tell it from the others; `source` names its labels in aliases.csv."""

    name: str
    source: str
    needs: frozenset[str]
    read: Callable[[Row], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Table:
    path: Path
    format: Format
    sightings: tuple[Sighting, ...] = field(repr=False)


def read_label_file(path: str | Path) -> Table:
    """Read a label CSV, or the ISIC Archive's JSON (an object, a list, or a folder of files), of any known format.

    Raises: DataError for an unknown format (listing those known) or a row that contradicts itself.
    """
    path = Path(path)
    if path.is_dir():
        rows = [row for file in sorted(path.glob("*.json")) for row in _json_rows(file)]
    else:
        rows = _json_rows(path) if path.suffix.lower() == ".json" else list(read_table(path))
    if not rows and path.is_dir():
        raise DataError(f"{path.name} is a folder without JSON files; name the label file in it.")
    if not rows:
        raise DataError(f"{path.name} has no rows; a label file names at least one image.")
    fmt = detect(tuple(rows[0][1]), path.name)
    sightings = []
    for number, row in rows:
        try:
            sightings.append(_sighting(number, fmt.read(row)))
        except ValueError as error:
            raise DataError(f"{path.name}, row {number}: {error}.") from error
    return Table(path, fmt, tuple(sightings))


def detect(columns: Sequence[str], name: str) -> Format:
    """The first format all of whose columns are there. Raises: DataError listing the known formats."""
    for fmt in FORMATS:
        if fmt.needs <= set(columns):
            return fmt
    listed = "; ".join(f"{fmt.name} ({', '.join(sorted(fmt.needs))})" for fmt in FORMATS)
    raise DataError(f"{name} has the columns {', '.join(columns)}, which are those of no known format: {listed}.")


def resolve_ordinals(tables: Sequence[Table]) -> list[Table]:
    """Give images numbered 1..n (as in ISIC 2017's ground truth) the names of the metadata file with n rows.

    Raises: DataError where no table, or more than one, has as many named images.
    """
    resolved = []
    for table in tables:
        if not any(s.ordinal for s in table.sightings):
            resolved.append(table)
            continue
        n = len(table.sightings)
        named = [
            t for t in tables if t.format.name == "ISIC 2017 metadata" and len(t.sightings) == n and t is not table
        ]
        if [s.ordinal for s in table.sightings] != list(range(1, n + 1)) or len(named) != 1:
            raise DataError(
                f"{table.path.name} numbers its {n} images instead of naming them. Give the publisher's metadata file "
                f"of the same {n} images as well: {len(named)} of the files given has that many."
            )
        names = (s.image for s in named[0].sightings)
        renamed = tuple(replace(s, image=i, ordinal=0) for s, i in zip(table.sightings, names, strict=True))
        resolved.append(replace(table, sightings=renamed))
    return resolved


def _sighting(number: int, said: dict[str, str]) -> Sighting:
    image, label, file = said.pop("image", ""), said.pop("label", ""), said.pop("file", "")
    if image.lower().endswith(IMAGE_SUFFIXES):
        file = file or image
    if (digits := image.replace(",", "")).isdecimal() and said.pop("numbered", ""):
        return Sighting("", label, said, number, file, int(digits))
    said.pop("numbered", "")
    return Sighting(image_id(image or file), label, said, number, file)


def _json_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} cannot be read as JSON: {error}.") from error
    return [(i, dict(_flat(item))) for i, item in enumerate(content if isinstance(content, list) else [content], 1)]


def _flat(value: Any) -> Iterator[tuple[str, str]]:
    """The innermost keys and values; of the archive's first form, {"name", "meta": {"clinical", "acquisition"}}."""
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        if isinstance(inner, Mapping):
            yield from _flat(inner)
        else:
            yield "isic_id" if key == "name" else str(key), "" if inner is None else str(inner)


def _one_hot(columns: Sequence[str], *, none: str = "") -> Callable[[Row], str]:
    def read(row: Row) -> str:
        ones = [column for column in columns if is_true(row[column])]
        if len(ones) > 1 or not (ones or none):
            raise ValueError(f"{len(ones)} of the columns {', '.join(columns)} are 1, where one should be")
        return ones[0] if ones else none

    return read


def _take(row: Row, **columns: str) -> dict[str, str]:
    """{our column: value}, from {our column: theirs}; "a|b" is the first of them that the file has."""
    taken = {}
    for ours, theirs in columns.items():
        found = [row[column] for column in theirs.split("|") if column in row]
        taken[ours] = found[0] if found else ""
    return taken


def _manifest(row: Row) -> dict[str, str]:
    columns = ("file", "confirmation", "modality", "lesion_id", "patient_id", "age", "sex", "site", "skin_type")
    return _take(row, label="diagnosis", **dict(zip(columns, columns, strict=True)))


def _file_and_label(row: Row) -> dict[str, str]:
    return _take(row, file="file", image="image_id|file", label="label|diagnosis|dx", lesion_id="lesion_id",
                 patient_id="patient_id")  # fmt: skip


def _ham10000(row: Row) -> dict[str, str]:
    said = _take(row, file="file", image="image_id", label="dx", confirmation="dx_type", lesion_id="lesion_id",
                 age="age", sex="sex|gender", site="localization")  # fmt: skip
    return said | {"modality": "dermoscopy"}


def _isic2017(row: Row) -> dict[str, str]:
    # the challenge's third class, nevus, is what has neither of the two columns
    label = row.get("dx") or _one_hot(("melanoma", "seborrheic_keratosis"), none="nevus")(row)
    return _take(row, file="file", image="image_id") | {"label": label, "modality": "dermoscopy", "numbered": "yes"}


def _isic2017_metadata(row: Row) -> dict[str, str]:
    return _take(row, image="image_id", age="age_approximate", sex="sex|gender") | {"modality": "dermoscopy"}


def _isic2018(row: Row) -> dict[str, str]:
    return {"image": row["image"], "label": _one_hot(ISIC2018)(row), "modality": "dermoscopy"}


def _isic2019(row: Row) -> dict[str, str]:
    return {"image": row["image"], "label": _one_hot(ISIC2019)(row), "modality": "dermoscopy"}


def _isic2019_metadata(row: Row) -> dict[str, str]:
    said = _take(row, image="image", age="age_approx", sex="sex|gender", site="anatom_site_general",
                 lesion_id="lesion_id", label="diagnosis")  # fmt: skip
    return said | {"label": known(said["label"]), "modality": "dermoscopy"}


def _isic2020(row: Row) -> dict[str, str]:
    said = _take(row, image="image_name", patient_id="patient_id", lesion_id="lesion_id", age="age_approx",
                 sex="sex|gender", site="anatom_site_general_challenge")  # fmt: skip
    malignant = row["benign_malignant"].casefold() == "malignant"
    label = known(row["diagnosis"]) or row["benign_malignant"]
    return said | {"label": label, "modality": "dermoscopy", "confirmation": "histo" if malignant else ""}


def _isic_archive(row: Row) -> dict[str, str]:
    levels = [known(row.get(f"diagnosis_{level}", "")) for level in range(1, 6)]
    path = ":".join(level for level in levels if level)
    named = known(row.get("diagnosis", "")) or known(row.get("benign_malignant", ""))
    sites = [known(row.get(f"anatom_site_{level}", "")) for level in range(1, 6)]
    finest = next((s for s in reversed(sites) if s), row.get("anatom_site_general", ""))
    said = _take(row, image="isic_id", confirmation="diagnosis_confirm_type", modality="image_type",
                 lesion_id="lesion_id", patient_id="patient_id", age="age_approx", sex="sex|gender")  # fmt: skip
    return said | {"label": path or named, "site": finest}


def _isic2024(row: Row) -> dict[str, str]:
    path = known(row.get("iddx_full", "")).replace("::", ":")
    label = path or ("malignant" if is_true(row["target"]) else "benign")
    said = _take(row, image="isic_id", patient_id="patient_id", lesion_id="lesion_id", age="age_approx",
                 sex="sex|gender", site="anatom_site_general", modality="image_type")  # fmt: skip
    return said | {"label": label}


def _milk10k(row: Row) -> dict[str, str]:
    return {"lesion_id": row["lesion_id"], "label": _one_hot(MILK10K)(row)}


def _milk10k_metadata(row: Row) -> dict[str, str]:
    # skin_tone_class is the publisher's own scale, not Fitzpatrick's
    return _take(row, image="isic_id", lesion_id="lesion_id", modality="image_type", age="age_approx", sex="sex|gender",
                 site="site")  # fmt: skip


def _milk10k_supplement(row: Row) -> dict[str, str]:
    return _take(row, image="isic_id", label="diagnosis_full", confirmation="diagnosis_confirm_type")


def _pad_ufes_20(row: Row) -> dict[str, str]:
    said = _take(row, file="file", image="img_id|image_id", label="diagnostic|dx", patient_id="patient_id",
                 age="age", sex="gender|sex", site="region|localization", skin_type="fitspatrick")  # fmt: skip
    # their lesion numbers are unique within a patient only: 250 of 1,641 occur with several patients
    lesion = f"{row['patient_id']}_{row['lesion_id']}" if row["lesion_id"] else ""
    confirmed = "histopathology" if is_true(row["biopsed"]) else "consensus"
    return said | {"modality": "clinical", "lesion_id": lesion, "confirmation": confirmed}


def _fitzpatrick17k(row: Row) -> dict[str, str]:
    return _take(row, image="md5hash", label="label", skin_type="fitzpatrick_scale") | {"modality": "clinical"}


def _ddi(row: Row) -> dict[str, str]:
    # skin_tone joins two types (12, 34, 56), so it is not one of Fitzpatrick's
    return {"file": row["DDI_file"], "label": row["disease"], "modality": "clinical", "confirmation": "histopathology"}


FORMATS = tuple(
    Format(name, source, frozenset(needs.split()), read)
    for name, source, needs, read in (
        ("manifest", "synonym", "file diagnosis", _manifest),
        ("HAM10000", "ham10000", "image_id lesion_id dx dx_type", _ham10000),
        ("PAD-UFES-20", "pad_ufes_20", "img_id diagnostic patient_id lesion_id biopsed", _pad_ufes_20),
        ("PAD-UFES-20 with files", "pad_ufes_20", "file image_id dx patient_id lesion_id biopsed", _pad_ufes_20),
        ("ISIC 2017", "isic2017", "image_id melanoma seborrheic_keratosis", _isic2017),
        ("ISIC 2017 metadata", "isic2017", "image_id age_approximate", _isic2017_metadata),
        ("ISIC 2019", "isic2019", f"image {' '.join(ISIC2019)}", _isic2019),
        ("ISIC 2018", "isic2018", f"image {' '.join(ISIC2018)}", _isic2018),
        ("ISIC 2019 metadata", "isic_archive", "image age_approx anatom_site_general", _isic2019_metadata),
        ("ISIC 2020", "isic2020", "image_name diagnosis benign_malignant", _isic2020),
        ("MILK10k", "milk10k", f"lesion_id {' '.join(MILK10K)}", _milk10k),
        ("MILK10k metadata", "milk10k", "isic_id lesion_id image_type skin_tone_class", _milk10k_metadata),
        ("MILK10k supplement", "isic_archive", "isic_id diagnosis_full", _milk10k_supplement),
        ("ISIC Archive", "isic_archive", "isic_id diagnosis_1", _isic_archive),
        ("ISIC Archive", "isic_archive", "isic_id diagnosis", _isic_archive),
        ("ISIC 2024", "isic_archive", "isic_id target", _isic2024),
        ("ISIC Archive without diagnosis", "isic_archive", "isic_id copyright_license", _isic_archive),
        ("Fitzpatrick17k", "fitzpatrick17k", "md5hash label", _fitzpatrick17k),
        ("DDI", "ddi", "DDI_file disease", _ddi),
        ("files with labels", "isic_archive", "file label", _file_and_label),
    )
)
