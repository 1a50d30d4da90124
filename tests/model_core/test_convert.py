"""Other people's trees, by small ones written here and by the real files; the `taxonomy` command."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path

import pytest

from model_core import convert
from model_core.convert import levels_of, read_taxonomy, write_taxonomy
from model_core.taxonomy import Taxonomy, TaxonomyError


def csv_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tree.csv"
    path.write_text(text)
    return path


def parents(taxonomy: Taxonomy) -> dict[str, str | None]:
    return {node: taxonomy.parent(node) for node in taxonomy.nodes}


def test_isic_paths(tmp_path: Path) -> None:
    text = 'path,depth,parent,name\nBenign,1,,Benign\nBenign:Nevus,2,Benign,Nevus\n"Benign:Nevus:Nevus, Acral",3,,x\n'
    taxonomy = read_taxonomy(csv_file(tmp_path, text))
    assert parents(taxonomy) == {"benign": None, "nevus": "benign", "nevus-acral": "nevus"}
    assert taxonomy.name("nevus-acral") == "Nevus, Acral"


def test_a_name_that_recurs_gets_its_parents_name(tmp_path: Path) -> None:
    text = "path,depth,parent,name\nBenign:Other,2,Benign,Other\nMalignant:Other,2,Malignant,Other\n"
    taxonomy = read_taxonomy(csv_file(tmp_path, text))
    assert parents(taxonomy) == {
        "benign": None, "benign-other": "benign", "malignant": None, "malignant-other": "malignant",
    }  # fmt: skip


def test_names_that_become_the_same_letters_are_told_apart(tmp_path: Path) -> None:
    text = "path,name\nA,A\nA:B,B\nA B,A B\n"  # the root "A B" and the node B under A would both be a-b
    taxonomy = read_taxonomy(csv_file(tmp_path, text))
    assert len(set(taxonomy.nodes)) == 3
    assert [taxonomy.name(node) for node in taxonomy.roots] == ["A", "A B"]


def test_fitzpatrick17k(tmp_path: Path) -> None:
    text = (
        "three_partition_label,nine_partition_label,label,n\nbenign,benign dermal,keloid,5\n"
        "malignant,malignant melanoma,malignant melanoma,111\n"
    )
    taxonomy = read_taxonomy(csv_file(tmp_path, text))
    assert levels_of(taxonomy) == {1: 2, 2: 2, 3: 2}
    assert taxonomy.parent("keloid") == "benign-dermal"
    assert [taxonomy.name(node) for node in taxonomy.descendants("malignant")] == [
        "malignant", "malignant melanoma", "malignant melanoma",
    ]  # fmt: skip


ONTOLOGY = (
    "id,name,parents,xrefs\nDOID:1,skin disease,DOID:4,x\nDOID:2,tumour,DOID:1,\n"
    "DOID:3,rash,skin disease,\nDOID:5,odd one,DOID:2|rash,\n"
)


def test_several_parents_are_refused_by_name_or_the_first_is_taken(tmp_path: Path) -> None:
    path = csv_file(tmp_path, ONTOLOGY)
    message = r"1 nodes have several parents. row 5: DOID:5 \(odd one\) has DOID:2, DOID:3.*--first-parent"
    with pytest.raises(TaxonomyError, match=message):
        read_taxonomy(path)
    taxonomy = read_taxonomy(path, first_parent=True)
    # DOID:4 is not in the file, so that DOID:1 is a root; "rash" and "skin disease" are names
    assert parents(taxonomy) == {"DOID:1": None, "DOID:2": "DOID:1", "DOID:5": "DOID:2", "DOID:3": "DOID:1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class,images\nAcne,3\n", "has the columns class, images. A taxonomy has id,parent,name"),
        ("path,name\nA::B,B\n", "row 2: a level of 'A::B' is empty"),
        ("id,name,parents\n1,a,2\n2,b,1\n", "is its own ancestor"),
        ("id,name,parents\n1,a,\n2,a,\n3,b,a\n", "row 4: the parent 'a' is the name of several nodes"),
        ("id,parent,name\na,b,A\n", "the parent 'b' of 'a' is not an id"),
    ],
)
def test_what_is_no_tree_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TaxonomyError, match=message):
        read_taxonomy(csv_file(tmp_path, text))


def test_a_converted_tree_reads_as_our_own(tmp_path: Path) -> None:
    taxonomy = read_taxonomy(csv_file(tmp_path, ONTOLOGY), first_parent=True)
    write_taxonomy(taxonomy, tmp_path / "ours.csv")
    assert Taxonomy.read_csv(tmp_path / "ours.csv").sha256 == taxonomy.sha256
    assert read_taxonomy(tmp_path / "ours.csv").sha256 == taxonomy.sha256


def command(*values: str | Path) -> int:
    parser = ArgumentParser()
    convert.add_arguments(parser)
    return convert.run(parser.parse_args([str(value) for value in values]))


def test_the_command_prints_levels_and_writes_with_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "ours.csv"
    assert command(csv_file(tmp_path, ONTOLOGY), "--first-parent", "--output", out) == 0
    printed = capsys.readouterr().out
    assert "4 nodes, 2 of them leaves, 3 levels deep" in printed
    assert "level 2: 2 nodes, 1 of them leaves" in printed
    record = json.loads((tmp_path / "ours.csv.record.json").read_text())
    assert record["results"]["taxonomy_sha256"] == Taxonomy.read_csv(out).sha256


def test_the_command_checks_the_shipped_taxonomy(capsys: pytest.CaptureFixture[str]) -> None:
    """The paper's first two levels: three nodes and nine."""
    assert command() == 0
    printed = capsys.readouterr().out
    assert "level 1: 3 nodes" in printed
    assert "level 2: 9 nodes" in printed


# shared/data/README.md: 418 nodes, depth 5; 114 -> 9 -> 3. The ontologies: rows of the files; the one root of 2016 is
# DOID:16; depth and the roots of 2026 by networkx 3, longest path from a node without a parent in the file.
@pytest.mark.parametrize(
    ("file", "levels"),
    [
        ("isic_diagnosis_paths.csv", {"nodes": 418, "deepest": 5, "roots": 3}),
        ("fitzpatrick17k_hierarchy.csv", {"nodes": 126, "deepest": 3, "roots": 3}),
        ("doid_2016_skin_branch.csv", {"nodes": 399, "deepest": 7, "roots": 1}),
        ("doid_2026_skin_branch.csv", {"nodes": 546, "deepest": 9, "roots": 3}),
    ],
)
def test_the_real_files(shared_data: Path, file: str, levels: dict[str, int]) -> None:
    path = shared_data / "taxonomy" / file
    if file.startswith("doid"):
        with pytest.raises(TaxonomyError, match="nodes have several parents"):
            read_taxonomy(path)
    taxonomy = read_taxonomy(path, first_parent=True)
    depths = levels_of(taxonomy)
    assert {"nodes": sum(depths.values()), "deepest": max(depths), "roots": depths[1]} == levels
    assert len(set(taxonomy.nodes)) == levels["nodes"]


# The format's own documentation: stanzas, "!" comments, trailing {modifiers}; DOID:4 is_a nothing here
OBO = """format-version: 1.4
ontology: doid

[Term]
id: DOID:4
name: disease

[Term]
id: DOID:37
name: skin disease
def: "A disease: of the skin." [url:https\\://example.org]
is_a: DOID:4 ! disease

[Term]
id: DOID:1909
name: melanoma
is_a: DOID:37 {source="x"} ! skin disease
is_a: DOID:2 ! another branch
is_a: DOID:162 ! cancer

[Term]
id: DOID:162
name: cancer
is_a: DOID:4 ! disease

[Term]
id: DOID:99
name: obsolete rash
is_obsolete: true

[Typedef]
id: part_of
name: part of
"""


def test_an_obo_file_and_one_branch_of_it(tmp_path: Path) -> None:
    path = tmp_path / "doid.obo"
    path.write_text(OBO)
    with pytest.raises(TaxonomyError, match=r"row 14: DOID:1909 \(melanoma\) has DOID:37, DOID:162.*--first-parent"):
        read_taxonomy(path)
    everything = {"DOID:4": None, "DOID:37": "DOID:4", "DOID:1909": "DOID:37", "DOID:162": "DOID:4"}
    assert parents(read_taxonomy(path, first_parent=True)) == everything
    # under the skin, melanoma has one parent
    for root in ("DOID:37", "skin disease"):
        assert parents(read_taxonomy(path, root=root)) == {"DOID:37": None, "DOID:1909": "DOID:37"}
    with pytest.raises(TaxonomyError, match=r"doid\.obo has no node with the id or name 'DOID:99'"):
        read_taxonomy(path, root="DOID:99")
    path.write_text("no ontology\n")
    with pytest.raises(TaxonomyError, match=r"doid\.obo has no \[Term\]"):
        read_taxonomy(path)


def test_one_branch_of_our_own(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id,parent,name\na,,A\nb,a,B\nc,b,C\nd,a,D\n")
    assert parents(read_taxonomy(path, root="B")) == {"b": None, "c": "b"}
