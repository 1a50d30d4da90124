"""A classifier's probabilities at every level and in named tests, on a small tree worked by hand."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from model_core import evaluate as evaluate_command
from model_core.__main__ import main
from model_core.dataset import LabelledImage
from model_core.evaluation import NamedTest, evaluate
from model_core.inference import Batch, Classifier
from model_core.manifest import DataError
from model_core.taxonomy import Taxonomy, TaxonomyError
from tests.model_core.conftest import DrawnSet

TREE = """id,parent,name
benign,,benign
naevus,benign,naevus
wart,benign,wart
malignant,,malignant
melanoma,malignant,melanoma
carcinoma,malignant,carcinoma
"""
LABELS = ("naevus", "naevus", "wart", "melanoma", "carcinoma", "carcinoma", "benign")
# naevus, wart, melanoma, carcinoma
PROBABILITIES = (
    (0.6, 0.1, 0.2, 0.1),
    (0.3, 0.1, 0.4, 0.2),
    (0.5, 0.3, 0.1, 0.1),
    (0.2, 0.1, 0.3, 0.4),
    (0.1, 0.1, 0.2, 0.6),
    (0.4, 0.3, 0.1, 0.2),
    (0.7, 0.1, 0.1, 0.1),
)


@pytest.fixture
def tree() -> Taxonomy:
    return Taxonomy.read_csv(io.StringIO(TREE))


@pytest.fixture
def images() -> list[LabelledImage]:
    return [LabelledImage(Path(f"{i}.jpg"), label, f"L{i}") for i, label in enumerate(LABELS)]


def test_levels_by_hand(tree: Taxonomy, images: list[LabelledImage]) -> None:
    """Classes: naevus 1 of 2 right, wart 0 of 1, melanoma 0 of 1, carcinoma 1 of 2: mean 1/4; "benign" lies in none.
    Level 1: P(benign) is 0.7, 0.4, 0.8, 0.3, 0.2, 0.7, 0.8: benign 3 of 4 right, malignant 2 of 3: mean 17/24."""
    classes = [tree.whole_class(n) for n in ("naevus", "wart", "melanoma", "carcinoma")]
    found = evaluate(images, PROBABILITIES, classes, tree)
    assert [level.name for level in found.levels] == ["training classes", "level 1"]  # level 2 is the classes again
    by_class, three_way = found.levels
    assert by_class.outside == 1
    assert by_class.confusion.sensitivities.tolist() == [0.5, 0, 0, 0.5]
    assert by_class.confusion.mean_accuracy == 0.25
    assert three_way.outside == 0
    assert three_way.confusion.counts.tolist() == [[3, 1], [1, 2]]
    assert three_way.confusion.mean_accuracy == pytest.approx(17 / 24)


def test_named_test_is_restricted_to_its_nodes(tree: Taxonomy, images: list[LabelledImage]) -> None:
    """Melanoma against naevus: the melanoma's share is 0.3 / 0.5 = 0.6, those of the naevi 0.25 and 4/7: AUC 1, though
    P(melanoma) itself is 0.3 against 0.2 and 0.4, which would be 1/2."""
    classes = [tree.whole_class(n) for n in ("naevus", "wart", "melanoma", "carcinoma")]
    tests = [NamedTest.parse(text, tree) for text in ("melanoma:naevus", "malignant:benign", "carcinoma+melanoma:wart")]
    found = evaluate(images, PROBABILITIES, classes, tree, tests=tests).tests
    assert [(t.positives, t.negatives) for t in found] == [(1, 2), (3, 4), (3, 1)]
    assert found[0].auc == 1.0
    # malignant 0.7, 0.8, 0.3 against 0.3, 0.6, 0.2, 0.2: 4 + 4 + (1/2 + 0 + 1 + 1) of 12
    assert found[1].auc == pytest.approx(10.5 / 12)
    # wart: (0.1 + 0.1) / 0.5 = 0.4; melanoma 0.7 / 0.8, carcinomas 0.8 / 0.9 and 0.3 / 0.6: all above
    assert found[2].auc == 1.0


def test_undefined_test_says_why(tree: Taxonomy, images: list[LabelledImage]) -> None:
    classes = [tree.whole_class(n) for n in ("naevus", "wart", "melanoma", "carcinoma")]
    found = evaluate(images[:3], PROBABILITIES[:3], classes, tree, tests=[NamedTest.parse("malignant:benign", tree)])
    assert math.isnan(found.tests[0].auc)
    assert found.tests[0].reason == "undefined: there is no positive image"
    assert found.to_json()["tests"][0]["auc"] is None


def test_level_across_which_a_class_lies_is_left_out_with_the_reason(
    tree: Taxonomy, images: list[LabelledImage]
) -> None:
    classes = [tree.whole_class("benign"), tree.whole_class("malignant")]
    sums = np.array(PROBABILITIES).reshape(7, 2, 2).sum(2)
    found = evaluate(images, sums, classes, tree)
    assert [level.name for level in found.levels] == ["training classes"]
    assert "1 of the 3 diseases of the training class 'benign'" in found.skipped_levels["level 2"]
    with pytest.raises(TaxonomyError):
        evaluate(images, sums, classes, tree, tests=[NamedTest.parse("melanoma:naevus", tree)])


@pytest.mark.parametrize("text", ["melanoma", "melanoma:", "a:b:c"])
def test_wrong_test_is_named(tree: Taxonomy, text: str) -> None:
    with pytest.raises(DataError, match="POSITIVE:NEGATIVE"):
        NamedTest.parse(text, tree)


def test_command_writes_report_matrices_and_probabilities(
    drawn: DrawnSet, model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, bad = tmp_path / "manifest.csv", drawn.folder / "bad.png"
    lines = drawn.manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(lines[:5]) + "bad.png,melanoma,L99,P99\n")
    bad.write_bytes(b"no picture")
    out = tmp_path / "out"
    command = ["evaluate", "--model", str(model_file), "--manifest", str(manifest), "--images", str(drawn.folder),
               "--out", str(out), "--test", "melanoma:naevus", "--device", "cpu", "--precision", "float32"]  # fmt: skip
    assert main([*command, "--bad-images", "refuse"]) == 2
    assert f"{bad}: The file is not a picture" in capsys.readouterr().err
    assert main(command) == 0
    bad.unlink()
    said = capsys.readouterr().out
    assert "Left out:" in said
    assert "2 against 2 images, AUC" in said
    report = json.loads((out / "report.json").read_text())
    assert report["n_images"] == 4
    assert report["tests"][0]["positives"] == 2
    with open(out / "nodes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    assert rows[4]["malignant"] == ""
    for row in rows[:4]:
        assert float(row["benign"]) + float(row["malignant"]) == pytest.approx(1, abs=1e-6)
        assert float(row["malignant"]) == pytest.approx(float(row["melanoma"]))
    with open(out / "confusion_level_1.csv", newline="") as file:
        matrix = list(csv.reader(file))
    assert matrix[0] == ["truth", "benign", "malignant"]
    assert sum(int(v) for row in matrix[1:] for v in row[1:]) == 4
    assert (out / "report.json.record.json").exists()


def test_an_interrupted_command_goes_on_where_it_was(
    drawn: DrawnSet, small_model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five pictures in parts of two, stopped in the third part: only that part is scored again."""
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("".join(drawn.manifest.read_text().splitlines(keepends=True)[:6]))
    command = ["evaluate", "--model", str(small_model_file), "--manifest", str(manifest), "--images", str(drawn.folder),
               "--device", "cpu", "--precision", "float32", "--out"]  # fmt: skip
    monkeypatch.setattr(evaluate_command, "PART", 2)
    assert main([*command, str(tmp_path / "whole")]) == 0
    scored: list[int] = []
    stream = Classifier.stream

    def counted(self: Classifier, images: object, batch_size: int = 32) -> Iterator[Batch]:
        for batch in stream(self, images, batch_size):  # type: ignore[arg-type]
            scored.append(len(batch.probabilities))
            if len(scored) == 3:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(Classifier, "stream", counted)
    assert main([*command, str(tmp_path / "out")]) == 130
    assert not (tmp_path / "out" / "report.json").exists()
    assert main([*command, str(tmp_path / "out")]) == 0
    assert scored == [2, 2, 1, 1]
    assert not (tmp_path / "out" / ".parts").exists()
    files = ("report.json", "probabilities.csv", "nodes.csv")
    assert all((tmp_path / "out" / f).read_bytes() == (tmp_path / "whole" / f).read_bytes() for f in files)
