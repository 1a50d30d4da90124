"""Flow, confusion matrices and taxonomy: the numbers by hand, and figures that draw no other ones.

The study is that of tests/results/conftest.py; with k classes, one of six images.
"""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from model_core.taxonomy import Taxonomy
from readerstudy.accounts.models import User
from readerstudy.images.models import Confirmation, Image, Modality, Reference
from readerstudy.readers import invitations
from readerstudy.results.analysis import analyse
from readerstudy.results.supplement.confusions import Confusions, level_confusion, reader_confusion
from readerstudy.results.supplement.figures.confusion import drawn as drawn_matrices
from readerstudy.results.supplement.figures.flow import flow_diagram
from readerstudy.results.supplement.figures.taxonomy import drawn as drawn_tree
from readerstudy.results.supplement.numbers import Supplement, supplement
from readerstudy.results.supplement.summation import summation
from readerstudy.results.supplement.words import alternative_text
from readerstudy.results.tables import study_tables
from readerstudy.scoring.models import ModelVersion, Score
from readerstudy.studies.eligibility import pool_of
from readerstudy.studies.models import CaseImage, Study
from readerstudy.studies.protocol import open_study
from tests.builders import accepted_reader, draft_study, image_set, model_version
from tests.results import made
from tests.results.conftest import Worked


def behind(study: Study, model: ModelVersion | None) -> Supplement:
    tables = study_tables(study, model, detailed=True)
    return supplement(tables.tests[0], analyse(tables).tests[0])


def test_every_exclusion_is_counted_once(administrator: User) -> None:
    """12 images: 1 of another diagnosis, 1 of another kind, 2 unconfirmed, 1 of a lesion twice: 7 eligible, 4 drawn."""
    images = image_set(administrator, diagnoses=["melanoma"] * 5 + ["melanocytic-naevus"] * 6 + ["dermatofibroma"])
    rows = list(images.images.order_by("pk"))
    Image.objects.filter(pk=rows[0].pk).update(modality=Modality.DERMOSCOPY)
    Reference.objects.filter(image__in=rows[5:7]).update(confirmation=Confirmation.CONSENSUS)
    Reference.objects.filter(image__in=rows[1:3]).update(lesion_id="one", patient_id="same")
    study = draft_study(administrator, image_sets=[images], sample_size=4, sample_positives=2)
    study.tests.update(modality=Modality.CLINICAL, histopathology_only=True)
    open_study(study, actor=administrator)
    test = study.tests.get()
    pool = pool_of(test)
    assert len(pool.positives) + len(pool.negatives) == 7
    readers = [accepted_reader(study) for _reader in range(3)]
    everyone = made.case_truth(test)
    made.read(readers[0], test, everyone)
    made.read(readers[1], test, dict(list(everyone.items())[:2]))
    for name in ("silent", "gone"):
        left, _token = invitations.invite(
            study=study, email=f"{name}@example.org", tests=[test], actor=administrator
        )  # fmt: skip
    invitations.withdraw(left, actor=administrator)

    flow = behind(study, None).flow
    assert flow is not None
    assert [(step.stage, step.n, dict(step.left_out)) for step in flow.images] == [
        ("images", 12, {}),
        ("eligible", 7, {
            "other diagnosis": 1, "other modality": 1, "not confirmed by histopathology": 2, "same lesion": 1,
        }),
        ("read", 4, {"not drawn": 3}),
    ]  # fmt: skip
    assert [(step.stage, step.n, dict(step.left_out)) for step in flow.readers] == [
        ("invited", 5, {}),
        ("accepted", 3, {"not accepted": 1, "withdrawn": 1}),
        ("begun", 2, {"not begun": 1}),
        ("complete", 1, {"incomplete": 1}),
    ]
    tables = study_tables(study, None, detailed=True)
    result = analyse(tables).tests[0]
    numbers = behind(study, None)
    figure = flow_diagram(result, result.questions[0], numbers)
    assert figure is not None
    told = " ".join(label.text for label in figure.layout.annotations).replace("\u00a0", " ")
    for expected in ("n = 12", "n = 7", "Not drawn: n = 3", "Another image of the lesion chosen: n = 1"):
        assert expected in told
    assert len(figure.layout.shapes) == 7 + 5  # a box for each stage, and one beside each step that left any out
    assert "Not drawn, left out: 3." in alternative_text("flow", result, numbers)


def test_the_decision_of_model_and_readers(worked: Worked) -> None:
    """Readers: 3 + 2 of 4 + 4 positives, 5 + 3 of 6 + 6 negatives; the model at specificity 4/6: TP 3, TN 4."""
    found = next(one for one in behind(worked.study, worked.model).confusions if one.of == "decision")
    assert found.model is not None
    assert found.readers is not None
    assert found.model.counts.tolist() == [[3, 1], [2, 4]]
    assert found.readers.counts.tolist() == [[5, 3], [4, 8]]
    assert found.readers.shares.tolist() == [[5 / 8, 3 / 8], [4 / 12, 8 / 12]]
    assert found.readers.per_reader == pytest.approx(((3 / 4 + 5 / 6) / 2, (2 / 4 + 3 / 6) / 2))
    assert found.readers.mean.value == pytest.approx((5 / 8 + 8 / 12) / 2)
    figure = drawn_matrices(found)
    assert figure is not None
    cells = [label.text for label in figure.layout.annotations]
    for share in ("0.75", "0.25", "0.33", "0.67", "0.62", "0.38"):
        assert share in cells
    assert [row[2] for row in figure.data[1].customdata] == [5, 3, 4, 8]


def test_k_classes_of_readers_against_scikit_learn() -> None:
    """Three classes, answers missing: each reader's matrix by scikit-learn, added up."""
    chance = np.random.default_rng(3)
    labels = ("a", "b", "c")
    truth = chance.choice(labels, 60)
    said = chance.choice(labels, (4, 60)).astype(object)
    said[1, :10] = None
    found = reader_confusion(truth, said, labels)
    kept = [[i for i, word in enumerate(row) if word is not None] for row in said]
    by_reader = [
        confusion_matrix(truth[i], row[i].astype(str), labels=labels) for row, i in zip(said, kept, strict=True)
    ]
    assert found.counts.tolist() == sum(by_reader).tolist()
    accuracies = [float((m.diagonal() / m.sum(axis=1)).mean()) for m in by_reader]
    assert found.per_reader == pytest.approx(accuracies)
    assert found.sd == pytest.approx(np.std(accuracies, ddof=1))
    figure = drawn_matrices(Confusions("level 1", labels, labels, None, found))
    assert figure is not None
    assert any(label.text.startswith("Readers (n = 4)") for label in figure.layout.annotations)


@pytest.fixture
def three_classes(administrator: User, researcher: User) -> tuple[Study, ModelVersion]:
    """Melanoma and basal cell carcinoma against naevus: three classes at level two; each case has the probabilities
    0.7 for its own class but for one melanoma, which is taken for a naevus."""
    names = ["melanoma"] * 2 + ["basal-cell-carcinoma"] * 2 + ["melanocytic-naevus"] * 2
    images = image_set(administrator, diagnoses=names)
    study = draft_study(administrator, image_sets=[images], positive=("malignant",), negative=("benign",))
    open_study(study, actor=administrator)
    nodes = ("melanoma", "basal-cell-carcinoma", "melanocytic-naevus")
    model = model_version(researcher, *nodes)
    wrong = images.images.filter(reference__diagnosis="melanoma").order_by("pk")[0]
    for image in images.images.select_related("reference"):
        best = 2 if image.pk == wrong.pk else nodes.index(image.reference.diagnosis)
        vector = np.full(3, 0.15, np.float32)
        vector[best] = 0.7
        Score.objects.create(image=image, model_version=model, probabilities=vector.astype("<f4").tobytes())
    return study, model


def test_a_level_of_the_taxonomy(three_classes: tuple[Study, ModelVersion]) -> None:
    table = study_tables(*three_classes, detailed=True).tests[0]
    assert table.model is not None
    assert table.model.by_class is not None
    assert level_confusion(table, table.model.by_class, 1) is None  # malignant and benign: two are the decision
    found = level_confusion(table, table.model.by_class, 2)
    assert found is not None
    assert found.model is not None
    # by the shipped taxonomy: naevus lies under benign melanocytic lesions, the carcinoma under epidermal tumours
    taxonomy, index = Taxonomy.default(), {}
    for name in ("melanoma", "basal-cell-carcinoma", "melanocytic-naevus"):
        (above,) = set(found.labels) & {name, *taxonomy.ancestors(name)}
        index[name] = found.labels.index(above)
    assert len(set(index.values())) == 3
    counts = found.model.counts
    assert counts[index["melanoma"], index["melanoma"]] == 1
    assert counts[index["melanoma"], index["melanocytic-naevus"]] == 1
    assert counts[index["basal-cell-carcinoma"], index["basal-cell-carcinoma"]] == 2
    assert counts.sum() == 6
    assert found.model.mean_per_class.value == pytest.approx((0.5 + 1 + 1) / 3)


def test_one_cases_probabilities_up_the_taxonomy(three_classes: tuple[Study, ModelVersion]) -> None:
    """A basal cell carcinoma: 0.7 for itself, 0.15 each for the others: malignant 0.85, benign 0.15."""
    study, model = three_classes
    number = CaseImage.objects.filter(image__reference__diagnosis="basal-cell-carcinoma").first().case.number
    found = summation(study_tables(study, model, detailed=True).tests[0], number)
    assert found is not None
    assert (found.positive, found.negative, found.score) == pytest.approx((0.85, 0.15, 0.85))
    shares = {node.key: node for node in found.nodes}
    assert shares["malignant"].probability == pytest.approx(0.85)
    assert (shares["malignant"].side, shares["malignant"].kind) == ("positive", "inner")
    assert shares["basal-cell-carcinoma"].probability == pytest.approx(0.7)
    assert shares["basal-cell-carcinoma"].kind == "training"
    for node in found.nodes:  # each node has what its children have: no class is lost on the way
        below = [child.probability for child in found.nodes if child.parent == node.key]
        assert not below or sum(below) == pytest.approx(node.probability), node.key
    figure = drawn_tree(found)
    told = [label.text for label in figure.layout.annotations]
    assert "0.850" in told
    assert "0.700" in told
    assert summation(study_tables(study, model, detailed=True).tests[0], 999) is None


def test_many_classes_share_a_row_and_none_is_lost(worked: Worked, researcher: User) -> None:
    """30 leaves of the taxonomy: at most ten have their own row (and one under each side); the rest still adds up."""
    taxonomy = Taxonomy.default()
    leaves = [node for node in taxonomy.leaves if "melanoma" not in (node, *taxonomy.ancestors(node))]
    nodes = [
        "melanoma",
        "melanocytic-naevus",
        *[n for n in leaves if "melanocytic-naevus" not in taxonomy.ancestors(n)][:28],
    ]
    model = model_version(researcher, *nodes)
    chance = np.random.default_rng(0)
    for image in Image.objects.all():
        vector = chance.dirichlet(np.ones(30))
        Score.objects.create(image=image, model_version=model, probabilities=vector.astype("<f4").tobytes())
    found = behind(worked.study, model).summation
    assert found is not None
    training = [node for node in found.nodes if node.kind == "training"]
    rest = sum(node.n_classes for node in found.nodes if node.kind == "rest")
    assert 10 <= len(training) <= 12
    assert len(training) + rest == 30
    assert sum(node.probability for node in found.nodes if not node.parent) == pytest.approx(1, abs=1e-5)
