"""The shipped taxonomy against the paper's levels and the publishers' own vocabularies."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from model_core.taxonomy import SYNONYMS, Taxonomy, TaxonomyError, aliases, unmapped

# Esteva et al. 2017, Extended Data Table 2 and Methods, in British spelling
FIRST_LEVEL = {"benign lesions", "malignant lesions", "non-neoplastic lesions"}
SECOND_LEVEL = {
    "cutaneous lymphoma and lymphoid infiltrates": "malignant",
    "benign dermal tumours, cysts and sinuses": "benign",
    "malignant dermal tumour": "malignant",
    "benign epidermal tumours, hamartomas, milia and growths": "benign",
    "malignant and premalignant epidermal tumours": "malignant",
    "genodermatoses and supernumerary growths": "non-neoplastic",
    "inflammatory conditions": "non-neoplastic",
    "benign melanocytic lesions": "benign",
    "malignant melanoma": "malignant",
}
SOURCES = ("ham10000", "isic2017", "isic2018", "isic2019", "isic2020", "isic_archive", "pad_ufes_20", "milk10k",
           "fitzpatrick17k", "ddi", SYNONYMS)  # fmt: skip


def test_levels_of_the_paper(taxonomy: Taxonomy) -> None:
    assert {taxonomy.name(node) for node in taxonomy.level(1)} == FIRST_LEVEL
    assert {taxonomy.name(node): taxonomy.parent(node) for node in taxonomy.level(2)} == SECOND_LEVEL
    assert len(taxonomy.nodes) > 600


@pytest.mark.parametrize("source", SOURCES)
def test_labels_lead_to_nodes(taxonomy: Taxonomy, source: str) -> None:
    labels = aliases(source)
    assert len(labels) >= 3
    assert [node for node in labels.values() if node not in taxonomy.nodes] == []


def test_unknown_source_lists_the_known() -> None:
    with pytest.raises(TaxonomyError, match=r"no labels of 'ham'; it has 'ddi'.*'ham10000'"):
        aliases("ham")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("nevus", "melanocytic-naevus"),
        ("Seborrheic Keratosis", "seborrhoeic-keratosis"),
        ("Malignant melanoma", "melanoma"),
        ("basal cell carcinoma", "basal-cell-carcinoma"),
        ("Bowen's disease", "bowen-disease"),
        ("dysplastic naevus", "dysplastic-naevus"),
    ],
)
def test_find_knows_other_names(taxonomy: Taxonomy, text: str, node: str) -> None:
    assert taxonomy.find(text) == node


def test_nodes_of_the_three_reader_tests(taxonomy: Taxonomy) -> None:
    """Each publisher's labels of the paper's epidermal and melanocytic tests lie under the nodes that ask for them."""
    epidermal = taxonomy.descendants("malignant-epidermal")
    for source, label in (("ham10000", "akiec"), ("ham10000", "bcc"), ("pad_ufes_20", "SCC"), ("pad_ufes_20", "ACK")):
        assert aliases(source)[label] in epidermal
    keratosis = taxonomy.descendants("benign-keratosis-like-lesion")
    assert aliases("ham10000")["bkl"] == "benign-keratosis-like-lesion"
    assert {aliases("pad_ufes_20")["SEK"], aliases("isic2017")["seborrheic_keratosis"]} <= set(keratosis)
    assert aliases("ham10000")["mel"] == aliases("pad_ufes_20")["MEL"] == "melanoma"
    assert aliases("ham10000")["nv"] == aliases("pad_ufes_20")["NEV"] == aliases("isic2017")["nevus"]
    assert aliases("ham10000")["nv"] in taxonomy.descendants("benign-melanocytic")


@pytest.mark.parametrize(
    ("file", "column", "source"),
    [
        ("ham10000_384x288/labels.csv", "dx", "ham10000"),
        ("ham10000_224crop/labels.csv", "dx", "ham10000"),
        ("isic2017_256/labels.csv", "dx", "isic2017"),
        ("pad_ufes_20/labels.csv", "dx", "pad_ufes_20"),
        ("labels/PAD-UFES-20_metadata.csv", "diagnostic", "pad_ufes_20"),
        ("labels/MILK10k_Training_Supplement.csv", "diagnosis_full", "isic_archive"),
        ("taxonomy/isic_diagnosis_paths.csv", "name", "isic_archive"),
        ("taxonomy/fitzpatrick17k_hierarchy.csv", "label", "fitzpatrick17k"),
    ],
)
def test_every_label_of_the_publisher_is_known(shared_data: Path, file: str, column: str, source: str) -> None:
    with open(shared_data / file, encoding="utf-8-sig", newline="") as opened:
        labels = {row[column] for row in csv.DictReader(opened)}
    assert len(labels) >= 3
    known = {*aliases(source), *(unmapped(source) if source in ("isic_archive", "isic2019", "isic2020") else ())}
    assert labels - known == set()


# Where our tree parts from a publisher's on purpose, and why.
FITZPATRICK_EXCEPTIONS = {
    "becker nevus": "an epidermal hamartoma",
    "prurigo nodularis": "a reaction to scratching, no tumour",
    "aplasia cutis": "congenital",
    "juvenile xanthogranuloma": "a histiocytic tumour",
    "langerhans cell histiocytosis": "a clonal proliferation",
    "urticaria pigmentosa": "a mast cell proliferation",
    "keloid": "a fibrous proliferation; ISIC counts it as benign too",
}
NINE = {
    "benign dermal": "benign-dermal",
    "benign epidermal": "benign-epidermal",
    "benign melanocyte": "benign-melanocytic",
    "genodermatoses": "genodermatosis",
    "inflammatory": "inflammatory",
    "malignant cutaneous lymphoma": "cutaneous-lymphoma",
    "malignant dermal": "malignant-dermal",
    "malignant epidermal": "malignant-epidermal",
    "malignant melanoma": "melanoma",
}


def test_second_level_agrees_with_fitzpatrick17k(shared_data: Path, taxonomy: Taxonomy) -> None:
    with open(shared_data / "taxonomy/fitzpatrick17k_hierarchy.csv", encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == 114
    differing = set()
    for row in rows:
        node = aliases("fitzpatrick17k")[row["label"]]
        if NINE[row["nine_partition_label"]] not in (node, *taxonomy.ancestors(node)):
            differing.add(row["label"])
    assert differing == set(FITZPATRICK_EXCEPTIONS)


def test_first_level_agrees_with_isic(shared_data: Path, taxonomy: Taxonomy) -> None:
    """ISIC has no non-neoplastic branch: inflammation, bleeding, foreign matter, supernumerary parts are benign there;
    actinic keratosis is indeterminate there and premalignant in the paper."""
    with open(shared_data / "taxonomy/isic_diagnosis_paths.csv", encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == 418
    differing = set()
    for row in rows:
        if (node := aliases("isic_archive").get(row["name"])) is None:
            assert row["path"].startswith("Indeterminate")
            continue
        if (
            taxonomy.descendants(row["path"].split(":")[0].lower() if row["path"][0] != "I" else "malignant").count(
                node
            )
            == 0
        ):
            differing.add(row["path"].split(":")[1])
    assert differing == {
        "Exogenous",
        "Hemorrhagic lesions",
        "Inflammatory or infectious diseases",
        "Benign adnexal epithelial proliferations - Apocrine or Eccrine",  # the supernumerary nipple
        "Benign soft tissue proliferations - Cartilagenous and ossifying",  # the accessory tragus
    }
