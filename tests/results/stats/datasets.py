"""The reference datasets as arrays: the two CC0 ones from tests/results/fixtures, the others from ../shared."""

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "reference"
SHIPPED = FIXTURES / "expected_shipped.json"


@cache
def expected() -> dict[str, dict[str, Any]]:
    """Every answer of other people's software that can be checked here, by id; all of them where ../shared is."""
    source = SHARED / "expected.json"
    entries = json.loads((source if source.exists() else SHIPPED).read_text())["entries"]
    return {entry["id"]: entry for entry in entries}


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    path = FIXTURES / name if (FIXTURES / name).exists() else SHARED / name
    with path.open(newline="") as file:
        return tuple(csv.DictReader(file))


@cache
def asah() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    data = rows("asah.csv")
    truth = np.array([row["outcome"] == "Poor" for row in data])
    return truth, {name: np.array([float(row[name]) for row in data]) for name in ("s100b", "ndka", "wfns")}


@cache
def multireader(
    name: str, case: str = "case", dropped: str = ""
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """truth (n,), ratings (t, r, n) with NaN, and the names of modalities, readers and cases."""
    data = rows(name)
    left_out = {tuple(row.values()) for row in rows(dropped)} if dropped else set()
    modalities, readers, cases = (
        tuple(dict.fromkeys(row[key] for row in data)) for key in ("treatment", "reader", case)
    )
    truth = np.full(len(cases), np.nan)
    ratings = np.full((len(modalities), len(readers), len(cases)), np.nan)
    for row in data:
        i, j, k = modalities.index(row["treatment"]), readers.index(row["reader"]), cases.index(row[case])
        truth[k] = float(row["truth"])
        if (row["reader"], row["treatment"], row["case"]) not in left_out:
            ratings[i, j, k] = float(row["rating"])
    return truth, ratings, modalities, readers, cases


@cache
def lesions() -> dict[str, np.ndarray]:
    """The ISIC lesion-size study: truth, the CNN's score, the crowd's score, and whether the lesion is at most 5 mm."""
    data = rows("isic_lesion_size_2020.csv")
    return {
        "truth": np.array([int(row["target"]) for row in data]),
        "adae": np.array([float(row["adae_score"]) for row in data]),
        "crowd": np.array([float(row["crowd_score"]) for row in data]),
        "tiny": np.array([row["tiny"] == "1" for row in data]),
    }


@cache
def decision_curve_example() -> tuple[np.ndarray, np.ndarray]:
    data = rows("dcurves_df_binary.csv")
    return np.array([row["cancer"] == "TRUE" for row in data]), np.array(
        [float(row["cancerpredmarker"]) for row in data]
    )
