"""The disease-partitioning algorithm: worked examples, properties over random trees, speed, the command."""

import csv
import json
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_core import partition
from model_core.manifest import DataError
from model_core.partition import partition_diseases
from model_core.taxonomy import Node, Taxonomy, TaxonomyError


def forest(parents: dict[str, str]) -> Taxonomy:
    return Taxonomy(tuple(Node(node, parent, f"name of {node}") for node, parent in parents.items()))


# benign > nevus > (blue, spitz, halo); benign > cyst; malignant > melanoma
EXAMPLE = forest(
    {
        "benign": "", "nevus": "benign", "blue": "nevus", "spitz": "nevus", "halo": "nevus", "cyst": "benign",
        "malignant": "", "melanoma": "malignant",
    }
)  # fmt: skip
COUNTS = {"nevus": 30, "blue": 50, "spitz": 20, "cyst": 10, "melanoma": 500}


def sizes(limit: int, counts: dict[str, int] = COUNTS) -> dict[str, int]:
    return {c.id: c.n_images for c in partition_diseases(EXAMPLE, counts, limit)}


def test_a_node_at_the_limit_is_a_class_and_one_image_more_splits_it() -> None:
    # benign holds 30 + 50 + 20 + 10 = 110, nevus 100, malignant 500
    assert sizes(110) == {"benign": 110, "melanoma": 500}  # melanoma: a leaf above the limit is a class of its own
    assert sizes(109) == {"nevus": 100, "cyst": 10, "melanoma": 500}


def test_images_of_a_node_that_was_split_become_unspecified_and_empty_classes_are_left_out() -> None:
    assert sizes(99) == {"nevus:unspecified": 30, "blue": 50, "spitz": 20, "cyst": 10, "melanoma": 500}  # no halo
    classes = {c.id: c for c in partition_diseases(EXAMPLE, COUNTS, 109)}
    assert classes["nevus"].diseases == ("nevus", "blue", "spitz", "halo")
    assert EXAMPLE.class_name(partition_diseases(EXAMPLE, COUNTS, 99)[0]) == "name of nevus, unspecified"


def test_everything_in_one_class_for_each_root_where_the_limit_allows() -> None:
    assert sizes(1000) == {"benign": 110, "malignant": 500}
    assert sizes(1000, {}) == {}


@pytest.mark.parametrize(
    ("counts", "limit", "message"),
    [
        ({"naevus": 3}, 10, "'naevus' is not the id of a node"),
        ({"nevus": -1}, 10, "image count of 'nevus' is -1"),
        ({"nevus": 2.5}, 10, "must be a whole number, not 2.5"),
        ({"nevus": 1}, 0, "at least 1, not 0"),
    ],
)
def test_bad_counts_are_named(counts: dict[str, int], limit: int, message: str) -> None:
    with pytest.raises(TaxonomyError, match=message):
        partition_diseases(EXAMPLE, counts, limit)


@st.composite
def labelled_forests(draw: st.DrawFn) -> tuple[Taxonomy, dict[str, int]]:
    n = draw(st.integers(1, 40))
    parents = {"0": ""} | {str(i): draw(st.sampled_from(["", *map(str, range(i))])) for i in range(1, n)}
    counts = draw(st.dictionaries(st.sampled_from(sorted(parents)), st.integers(0, 60)))
    return forest(parents), counts


@settings(deadline=None)
@given(labelled_forests(), st.integers(1, 120))
def test_any_tree_is_partitioned_without_overlap_or_loss(drawn: tuple[Taxonomy, dict[str, int]], limit: int) -> None:
    taxonomy, counts = drawn
    classes = partition_diseases(taxonomy, counts, limit)
    holders = Counter(disease for c in classes for disease in c.diseases)
    assert all(n == 1 for n in holders.values())  # disjoint
    assert all(holders[node] == 1 for node, n in counts.items() if n)  # every labelled image in exactly one class
    for c in classes:
        assert c.n_images == sum(counts.get(disease, 0) for disease in c.diseases) > 0
        indivisible = c.id != c.node or not taxonomy.children(c.node)
        assert c.n_images <= limit or indivisible
        if (parent := taxonomy.parent(c.node)) and c.id == c.node:  # as high in the tree as the limit allows
            assert sum(counts.get(node, 0) for node in taxonomy.descendants(parent)) > limit
    assert len({c.id for c in classes}) == len(classes)
    assert classes == partition_diseases(taxonomy, dict(reversed(counts.items())), limit)  # deterministic


def test_the_papers_size_takes_well_under_a_second(record_property: Callable[[str, object], None]) -> None:
    """2,032 nodes and 129,450 images, as in the paper; counts as uneven as real ones (log-normal).

    Processor time, the least of three, so that a busy machine does not count; an algorithm whose time grows with the
    square of the nodes takes longer than what is allowed.
    """
    rng = np.random.default_rng(20170202)
    parents = {"0": ""} | {str(i): str(rng.integers(max(0, i // 4 - 3), max(1, i // 3))) for i in range(1, 2032)}
    taxonomy = forest(parents)
    share = rng.lognormal(sigma=2, size=2032)
    counts = dict(zip(parents, rng.multinomial(129_450, share / share.sum()).tolist(), strict=True))
    took = []
    for _ in range(3):
        started = time.process_time()
        classes = partition_diseases(taxonomy, counts, 1000)
        took.append(time.process_time() - started)
    record_property("seconds", min(took))
    assert min(took) < 0.5
    assert sum(c.n_images for c in classes) == 129_450
    assert len(classes) > 100


def arguments(*values: str | Path) -> int:
    parser = ArgumentParser()
    partition.add_arguments(parser)
    return partition.run(parser.parse_args([str(v) for v in values]))


@pytest.fixture
def taxonomy_csv(tmp_path: Path) -> Path:
    path = tmp_path / "tree.csv"
    path.write_text("id,parent,name\n" + "".join(f"{n.id},{n.parent},{n.name}\n" for n in EXAMPLE.rows))
    return path


def test_the_command_counts_a_manifest_and_records_what_it_did(tmp_path: Path, taxonomy_csv: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text("file,diagnosis\na.jpg,nevus\nb.jpg,blue\nc.jpg,name of blue\nd.jpg,cyst\n")
    out = tmp_path / "out" / "classes.json"
    assert arguments("--taxonomy", taxonomy_csv, "--manifest", manifest, "--max-class-size", "3", "--output", out) == 0
    content = json.loads(out.read_text())
    assert [(c["id"], c["n_images"]) for c in content["classes"]] == [("nevus", 3), ("cyst", 1)]
    record = json.loads((tmp_path / "out" / "classes.json.record.json").read_text())
    assert record["command"] == "partition"
    assert record["arguments"]["max_class_size"] == 3
    assert set(record["inputs"]) == {str(taxonomy_csv), str(manifest)}
    assert all(len(digest) == 64 for digest in [*record["inputs"].values(), *record["outputs"].values()])


def test_the_command_reads_counts_and_writes_csv(tmp_path: Path, taxonomy_csv: Path) -> None:
    counts = tmp_path / "n.csv"
    counts.write_text("node,n\nnevus,2\nblue,2\n")
    out = tmp_path / "classes.csv"
    assert arguments("--taxonomy", taxonomy_csv, "--counts", counts, "--max-class-size", "3", "--output", out) == 0
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["id"], r["name"], r["n_images"], r["diseases"]) for r in rows] == [
        ("nevus:unspecified", "name of nevus, unspecified", "2", "nevus"),
        ("blue", "name of blue", "2", "blue"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("node,n\nnevos,2\n", r"n.csv, row 2, column node: 'nevos' is not a node .* Did you mean 'nevus'"),
        ("node,n\nnevus,many\n", "n.csv, row 2, column n: 'many' is not a whole number"),
        ("node,count\nnevus,2\n", "n.csv, row 1: the column n is missing; there are node, count"),
    ],
)
def test_the_command_names_the_row_that_is_wrong(tmp_path: Path, taxonomy_csv: Path, text: str, message: str) -> None:
    counts = tmp_path / "n.csv"
    counts.write_text(text)
    with pytest.raises(DataError, match=message):
        arguments("--taxonomy", taxonomy_csv, "--counts", counts, "--output", tmp_path / "c.json")
    assert not (tmp_path / "c.json").exists()
