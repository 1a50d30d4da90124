"""The tree and its errors; summation and restricted tests against sums worked by hand and over random trees."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_core.taxonomy import Node, Taxonomy, TaxonomyError, TrainingClass

SMALL = """id,parent,name
skin,,Skin
benign,skin,Benign
malignant,skin,Malignant
naevus,benign,Melanocytic naevus
blue,naevus,Blue naevus
keratosis,benign,Seborrhoeic keratosis
melanoma,malignant,Melanoma
carcinoma,malignant,Carcinoma
"""


def read(text: str | bytes) -> Taxonomy:
    return Taxonomy.read_csv(io.BytesIO(text.encode() if isinstance(text, str) else text))


@pytest.fixture(scope="module")
def small() -> Taxonomy:
    return read(SMALL)


def test_tree_questions(small: Taxonomy) -> None:
    assert small.roots == ("skin",)
    assert small.children("benign") == ("naevus", "keratosis")
    assert small.descendants("benign") == ("benign", "naevus", "blue", "keratosis")
    assert small.descendants("blue") == ("blue",)
    assert small.ancestors("blue") == ("naevus", "benign", "skin")
    assert small.ancestors("skin") == ()
    assert small.parent("naevus") == "benign"
    assert small.parent("skin") is None
    assert small.name("blue") == "Blue naevus"
    assert small.leaves == ("blue", "keratosis", "melanoma", "carcinoma")
    assert small.level(1) == ("skin",)
    assert small.level(2) == ("benign", "malignant")
    assert small.depth("blue") == 4
    assert len(small.nodes) == 8


def test_level_that_does_not_exist(small: Taxonomy) -> None:
    with pytest.raises(TaxonomyError, match=r"levels 1 to 4; there is no level 5"):
        small.level(5)


def test_unknown_node_is_named(small: Taxonomy) -> None:
    with pytest.raises(TaxonomyError, match="'wart' is not the id of a node"):
        small.descendants("wart")


@pytest.mark.parametrize("text", ["blue", "Blue naevus", "BLUE  NAEVUS", " blue-naevus ", "bluenaevus"])
def test_find_ignores_case_spaces_and_hyphens(small: Taxonomy, text: str) -> None:
    assert small.find(text) == "blue"


def test_find_lists_close_matches(small: Taxonomy) -> None:
    with pytest.raises(TaxonomyError, match=r"'melanomma' is not a node of .*Did you mean 'melanoma'"):
        small.find("melanomma")


def test_find_refuses_a_name_of_several_nodes() -> None:
    taxonomy = read("id,parent,name\na,,Benign\nb,,Malignant\na1,a,Other\nb1,b,other\n")
    with pytest.raises(TaxonomyError, match=r"several nodes.*'a1', 'b1'"):
        taxonomy.find("Other")
    assert taxonomy.find("b1") == "b1"


def test_sha256_is_of_the_content_in_any_order(small: Taxonomy) -> None:
    header, *rows = SMALL.splitlines()
    assert read("\n".join([header, *reversed(rows)])).sha256 == small.sha256
    assert read(SMALL.replace("Blue naevus", "Blue nevus")).sha256 != small.sha256
    assert read(SMALL.replace("blue,naevus", "blue,benign")).sha256 != small.sha256
    assert Taxonomy.from_json(small.to_json()).sha256 == small.sha256


def test_byte_order_mark_extra_columns_and_path(tmp_path: Path, small: Taxonomy) -> None:
    lines = SMALL.splitlines()
    text = "\n".join([f"note,{lines[0]}", *(f"x,{line}" for line in lines[1:])])
    path = tmp_path / "tree.csv"
    path.write_text(text, "utf-8-sig")
    assert Taxonomy.read_csv(path).sha256 == small.sha256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,name\na,A\n", r"row 1: the column 'parent' is missing; the columns must be id, parent, name"),
        ("id,id,parent,name\na,a,,A\n", r"row 1: the column 'id' occurs more than once"),
        ("id,parent,name\n", r"has no rows"),
        ("", r"row 1: the columns 'id', 'parent', 'name' are missing"),
        ("id,parent,name\na,,A\n,a,B\n", r"row 3: the id is empty"),
        ("id,parent,name\na,,\n", r"row 2: the node 'a' has no name"),
        ("id,parent,name\na,,A\nb,a,B\na,b,C\n", r"row 4: the id 'a' is already that of row 2"),
        ("id,parent,name\na,,A\nb,c,B\n", r"row 3: the parent 'c' of 'b' is not an id"),
        ("id,parent,name\na,,A\nb,c,B\nc,b,C\n", r"row 3: the node 'b' is its own ancestor: b < c < b"),
        ("id,parent,name\na,a,A\n", r"row 2: the node 'a' is its own ancestor: a < a"),
        ("id,parent,name\na,,A\nb,a,Wart\nc,a, wart\n", r"row 4: 'c' has the same name and parent as 'b' in row 3"),
        (b"id,parent,name\na,,A\nb,a,N\xe4vus\n", r"row 3: the byte 0xe4 is not UTF-8"),
        ('id,parent,name\na,,"A\n', r"this is not CSV"),
    ],
)
def test_error_names_the_row(text: str | bytes, message: str) -> None:
    with pytest.raises(TaxonomyError, match=message):
        read(text)


def test_error_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("id,parent,name\na,b,A\n")
    with pytest.raises(TaxonomyError, match=r"^mine\.csv, row 2"):
        Taxonomy.read_csv(path)
    with pytest.raises(TaxonomyError, match=r"absent\.csv cannot be read: No such file"):
        Taxonomy.read_csv(tmp_path / "absent.csv")


# Summation. Classes of `small`: naevus whole (naevus, blue), keratosis, melanoma, carcinoma; row 0 is
# 0.1, 0.2, 0.3, 0.4, so benign = 0.1 + 0.2 = 0.3, malignant = 0.3 + 0.4 = 0.7, skin = 1.


@pytest.fixture(scope="module")
def classes(small: Taxonomy) -> list[TrainingClass]:
    return [small.whole_class(node) for node in ("naevus", "keratosis", "melanoma", "carcinoma")]


PROBABILITIES = [[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 1.0, 0.0]]


def test_sums_worked_by_hand(small: Taxonomy, classes: list[TrainingClass]) -> None:
    sums = small.sum_probabilities(classes, PROBABILITIES, ["skin", "benign", "malignant", "naevus"])
    np.testing.assert_allclose(sums, [[1, 0.3, 0.7, 0.1], [1, 0, 1, 0]], atol=1e-12)


def test_node_without_a_class_has_nothing(small: Taxonomy) -> None:
    sums = small.sum_probabilities([small.whole_class("melanoma")], [[1.0]], ["carcinoma"])
    assert sums.tolist() == [[0.0]]


def test_node_with_half_a_class_is_refused(small: Taxonomy, classes: list[TrainingClass]) -> None:
    with pytest.raises(TaxonomyError, match=r"'blue' contains only 1 of the 2 diseases .* 'naevus', .* Use 'naevus'"):
        small.sum_probabilities(classes, PROBABILITIES, ["blue"])


def test_unspecified_class_belongs_to_its_node_alone(small: Taxonomy) -> None:
    found = [small.unspecified_class("naevus"), small.whole_class("blue"), small.whole_class("melanoma")]
    sums = small.sum_probabilities(found, [[0.5, 0.2, 0.3]], ["naevus", "blue", "benign"])
    np.testing.assert_allclose(sums, [[0.7, 0.2, 0.7]], atol=1e-12)
    assert [small.class_name(c) for c in found[:2]] == ["Melanocytic naevus, unspecified", "Blue naevus"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (TrainingClass("x", "x", ("wart",), 1), "has the disease 'wart'"),
        (TrainingClass("x", "naevus", ("blue",), 1), "'blue' is in two training classes, 'naevus' and 'x'"),
    ],
)
def test_impossible_classes(small: Taxonomy, bad: TrainingClass, message: str) -> None:
    with pytest.raises(TaxonomyError, match=message):
        small.sum_probabilities([small.whole_class("naevus"), bad], [[0.5, 0.5]], ["skin"])


@pytest.mark.parametrize("shape", [(4,), (2, 3), (1, 4, 1)])
def test_probabilities_of_the_wrong_shape(small: Taxonomy, classes: list[TrainingClass], shape: tuple[int]) -> None:
    with pytest.raises(TaxonomyError, match=r"the shape \(images, 4\)"):
        small.sum_probabilities(classes, np.zeros(shape), ["skin"])


@st.composite
def trees(draw: st.DrawFn) -> tuple[Taxonomy, list[TrainingClass]]:
    """A random forest of up to 40 nodes and training classes that cover it: a cut through it, with unspecified ones."""
    n = draw(st.integers(1, 40))
    parents = [draw(st.integers(-1, i - 1)) for i in range(n)]
    rows = [Node(f"n{i}", "" if p < 0 else f"n{p}", f"node {i}") for i, p in enumerate(parents)]
    taxonomy = Taxonomy(tuple(rows))
    classes, stack = [], list(taxonomy.roots)
    while stack:
        node = stack.pop()
        if not taxonomy.children(node) or draw(st.booleans()):
            classes.append(taxonomy.whole_class(node))
        else:
            classes.append(taxonomy.unspecified_class(node))
            stack.extend(taxonomy.children(node))
    return taxonomy, classes


@given(trees(), st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_children_sum_to_their_parent_at_every_node(tree: tuple[Taxonomy, list[TrainingClass]], seed: int) -> None:
    taxonomy, classes = tree
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(len(classes)), 3).astype(np.float32)
    inside = {d for c in classes if c.id == c.node for d in c.diseases if d != c.node}
    nodes = [node for node in taxonomy.nodes if node not in inside]  # what lies within a class cannot be asked for
    sums = dict(zip(nodes, taxonomy.sum_probabilities(classes, probabilities, nodes).T, strict=True))
    own = {c.node: probabilities[:, i] for i, c in enumerate(classes)}
    assert len(sums) == len(nodes) >= 1
    for node in nodes:
        children = [sums[child] for child in taxonomy.children(node) if child in sums]
        expected = sum(children, np.zeros(3)) + own.get(node, np.zeros(3))
        np.testing.assert_allclose(sums[node], expected, atol=1e-6)
    np.testing.assert_allclose(sum(sums[root] for root in taxonomy.roots), 1, atol=1e-6)
    for node in inside:
        with pytest.raises(TaxonomyError, match="cannot be divided"):
            taxonomy.sum_probabilities(classes, probabilities, [node])


# Restricted tests: row 0 of PROBABILITIES, melanoma against naevus: 0.3 / (0.3 + 0.1) = 0.75.


def test_restricted_share_worked_by_hand(small: Taxonomy, classes: list[TrainingClass]) -> None:
    share = small.restricted_share(classes, PROBABILITIES, positive=["melanoma"], negative=["naevus"])
    np.testing.assert_allclose(share, [0.75, 1.0])
    share = small.restricted_share(classes, PROBABILITIES, positive=["malignant"], negative=["naevus", "keratosis"])
    np.testing.assert_allclose(share, [0.7, 1.0])


def test_restricted_share_counts_a_class_once(small: Taxonomy, classes: list[TrainingClass]) -> None:
    share = small.restricted_share(classes, PROBABILITIES, positive=["malignant", "melanoma"], negative=["benign"])
    np.testing.assert_allclose(share, [0.7, 1.0])


def test_two_nodes_may_hold_a_class_together(small: Taxonomy) -> None:
    both = TrainingClass("pair", "skin", ("keratosis", "carcinoma"), 1)
    share = small.restricted_share(
        [both, small.whole_class("melanoma")], [[0.2, 0.8]], positive=["melanoma"], negative=["keratosis", "carcinoma"]
    )
    np.testing.assert_allclose(share, [0.8])


def test_restricted_share_of_nothing_is_undefined(small: Taxonomy, classes: list[TrainingClass]) -> None:
    rows = [[0, 1, 0, 0], [math.nan] * 4]
    assert np.isnan(small.restricted_share(classes, rows, positive=["melanoma"], negative=["naevus"])).all()


@pytest.mark.parametrize(
    ("positive", "negative", "message"),
    [
        ([], ["naevus"], "at least one positive node"),
        (["melanoma"], [], "at least one negative node"),
        (["melanoma"], ["malignant"], "must not overlap; both contain 'melanoma'"),
        (["blue"], ["melanoma"], "contains only 1 of the 2 diseases"),
        (["wart"], ["melanoma"], "'wart' is not the id"),
    ],
)
def test_restricted_test_that_cannot_be(
    small: Taxonomy, classes: list[TrainingClass], positive: list[str], negative: list[str], message: str
) -> None:
    with pytest.raises(TaxonomyError, match=message):
        small.restricted_share(classes, PROBABILITIES, positive, negative)


def test_restricted_test_without_a_class_on_one_side(small: Taxonomy) -> None:
    with pytest.raises(TaxonomyError, match="no training class under the negative nodes 'keratosis'"):
        small.restricted_share([small.whole_class("melanoma")], [[1.0]], ["melanoma"], ["keratosis"])


def test_training_class_json_round_trip_and_errors(small: Taxonomy) -> None:
    whole = small.whole_class("naevus", 12)
    assert TrainingClass.from_json(json.loads(json.dumps(whole.to_json()))) == whole
    for bad in ({}, [], {**whole.to_json(), "diseases": []}, {**whole.to_json(), "n_images": "12"}):
        with pytest.raises(TaxonomyError):
            TrainingClass.from_json(bad)  # type: ignore[arg-type]
