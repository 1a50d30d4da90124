"""The similarity graph: components against another implementation, edges with their reasons, explanations, leaks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_core.split import Components, Edge, Leak, Similarity, find_leaks, similarity_components
from model_core.split.components import shared_values
from model_core.split.keypoints import Keypoints


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[Edge]]:
    n = draw(st.integers(1, 25))
    ends = st.integers(0, n - 1)
    pairs = draw(st.lists(st.tuples(ends, ends).filter(lambda pair: pair[0] < pair[1]), max_size=30))
    return n, [Edge(a, b, draw(st.sampled_from(["lesion", "patient"])), "x") for a, b in pairs]


@settings(deadline=None)
@given(graphs())
def test_components_are_those_of_networkx(drawn: tuple[int, list[Edge]]) -> None:
    n, edges = drawn
    graph = networkx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from((e.first, e.second) for e in edges)
    expected = {frozenset(component) for component in networkx.connected_components(graph)}
    found = similarity_components(n, edges=edges)
    assert {frozenset(np.flatnonzero(found.of == c).tolist()) for c in set(found.of.tolist())} == expected
    first = [int(np.argmax(found.of == c)) for c in range(len(found.sizes))]
    assert first == sorted(first)  # numbered by their first image
    assert found.sizes.sum() == n


def numbered(components: Components) -> list[int]:
    return components.of.tolist()


def test_shared_values_join_and_empty_ones_do_not() -> None:
    found = similarity_components(
        6, keys={"lesion": ["a", "", "a", "", "b", ""], "patient": ["", "p", "", "", "p", ""]}
    )
    assert numbered(found) == [0, 1, 0, 2, 1, 3]
    assert found.edges == (Edge(0, 2, "lesion", "a"), Edge(1, 4, "patient", "p"))


def test_the_nan_of_a_table_library_joins_nothing() -> None:
    """pandas reads an empty cell as NaN, one and the same object in every row."""
    missing = float("nan")
    assert shared_values(["A", missing, missing, "A"], "lesion") == [Edge(0, 3, "lesion", "A")]  # type: ignore[list-item]
    assert similarity_components(3, edges=[(0, 2, "session", "1")]).of.tolist() == [0, 1, 0]  # type: ignore[list-item]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=20))
def test_a_value_of_n_images_needs_n_minus_1_edges(values: list[str]) -> None:
    edges = shared_values(values, "lesion")
    assert len(edges) == sum(max(0, values.count(value) - 1) for value in "abc")
    assert all(values[e.first] == values[e.second] == e.detail for e in edges)


def test_hashes_join_within_the_distance_stated() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (6, 32), np.uint8)
    hashes[:, 0] &= 127
    hashes[3] = hashes[1]
    hashes[3, 5] ^= 0b1011
    found = similarity_components(6, hashes=hashes)
    assert numbered(found) == [0, 1, 2, 1, 3, 4]
    assert found.edges == (Edge(1, 3, "perceptual hash", "3 of 255 bits differ"),)
    assert numbered(similarity_components(6, hashes=hashes, similarity=Similarity(hash_distance=2))) == list(range(6))


def test_features_join_above_the_cosine_stated() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 40)).astype(np.float16)
    features[150] = features[20]
    found = similarity_components(200, features=features)
    assert [(e.first, e.second, e.reason, e.detail) for e in found.edges] == [(20, 150, "features", "cosine 1.00")]


def local(seed: int) -> Keypoints:
    rng = np.random.default_rng(seed)
    histogram = rng.random((30, 128)) ** 6
    descriptors = np.rint(512 * np.sqrt(histogram / histogram.sum(1, keepdims=True))).clip(0, 255).astype(np.uint8)
    places = np.column_stack([rng.random((30, 2)) * 200, np.full(30, 3.0), rng.random(30) * 6])
    return Keypoints(places.astype(np.float32), descriptors)


def test_points_in_common_join_neighbours_found_by_features_or_by_points() -> None:
    pictures = [local(seed) for seed in range(40)]
    pictures[33] = Keypoints(pictures[2].geometry[:12] + np.float32([8, -5, 0, 0]), pictures[2].descriptors[:12])
    found = similarity_components(40, keypoints=pictures)
    assert found.edges == (Edge(2, 33, "points in common", "12 points"),)
    strict = Similarity(points=13)
    assert similarity_components(40, keypoints=pictures, similarity=strict).edges == ()


def test_the_same_arguments_give_the_same_components() -> None:
    pictures = [local(seed % 25) for seed in range(40)]
    features = np.random.default_rng(0).normal(size=(40, 16)).astype(np.float32)
    once, again = (similarity_components(40, keypoints=pictures, features=features) for _ in range(2))
    assert once.edges == again.edges
    assert len(once.edges) >= 15


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keys": {"lesion": ["a"]}}, "lesion has 1 entries for 3 images"),
        ({"hashes": np.zeros((2, 32), np.uint8)}, "hashes has 2 entries for 3 images"),
        ({"features": np.zeros((4, 8), np.float32)}, "features has 4 entries for 3 images"),
    ],
)
def test_what_does_not_fit_is_named(arguments: dict[str, Sequence[str]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        similarity_components(3, **arguments)


def test_a_component_tells_what_joined_it() -> None:
    """Two lesions of three images each, joined by one patient who had a seventh image."""
    edges = [
        Edge(0, 1, "lesion", "L1"), Edge(0, 2, "lesion", "L1"), Edge(3, 4, "lesion", "L2"), Edge(3, 5, "lesion", "L2"),
        Edge(2, 3, "patient", "P"), Edge(2, 6, "patient", "P"),
    ]  # fmt: skip
    components = similarity_components(8, edges=edges)
    explanation = components.explain(0)
    assert (explanation.size, explanation.edges) == (7, {"lesion": 4, "patient": 2})
    # without the patient: two lesions of three and the seventh image; without the lesions: 2-3-6 and four single images
    assert explanation.without == {"lesion": (3, 1, 1, 1, 1), "patient": (3, 3, 1)}
    text = str(explanation)
    assert "7 images, edges: 4 by lesion, 2 by patient" in text
    assert "without patient it falls into 3 pieces, the largest of 3" in text
    assert components.sizes.tolist() == [7, 1]


def test_leaks_are_the_edges_across_and_those_that_they_reach() -> None:
    """Images 0-3 against 4-6: 1 is 5 directly; 2 only by way of 1; 3 is alone; 6 is joined to 4, on its own side."""
    edges = [Edge(1, 5, "lesion", "L"), Edge(1, 2, "patient", "P"), Edge(4, 6, "lesion", "M")]
    leaks = find_leaks(similarity_components(7, edges=edges), 4)
    assert leaks == (Leak(1, 1, "lesion", "L"), Leak(2, 1, "through others", "3 images"))
    assert find_leaks(similarity_components(7, edges=edges[1:]), 4) == ()


def test_no_torch_and_no_django_are_imported() -> None:
    code = (
        "import model_core.split, model_core.partition, model_core.labels, model_core.convert, model_core.quality, sys;"
        "print({n.split('.')[0] for n in sys.modules} & {'torch', 'torchvision', 'django', 'readerstudy'})"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"
