"""A study of one test with ten cases (four melanomas, six naevi), two readers, and a model that scored every image.

Worked by hand, cases c1-c4 being the melanomas and c5-c10 the naevi in the order of their numbers:

* reader one calls c1, c2, c3 and c5 positive: TP 3, FN 1, FP 1, TN 5.
* reader two calls c1, c2, c5, c6, c7 positive: TP 2, FN 2, FP 3, TN 3.
* the model's shares: melanomas 0.9, 0.8, 0.6, 0.3; naevi 0.7, 0.5, 0.3, 0.2, 0.1, 0.05.
  Pairs won: 0.9 and 0.8 win 6 each; 0.6 wins 5 (not against 0.7); 0.3 wins 3 (0.2, 0.1, 0.05) and ties 1.
  AUC = (6 + 6 + 5 + 3.5) / 24 = 20.5 / 24.
"""

from dataclasses import dataclass

import pytest

from readerstudy.accounts.models import User
from readerstudy.readers.models import Reader
from readerstudy.readings.models import Answer, Reading
from readerstudy.results import export, rendering
from readerstudy.results.tables import images_to_score
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study, Test
from tests.builders import accepted_reader, image_set, model_version, open_study
from tests.results import made

DIAGNOSES = ["melanoma"] * 4 + ["melanocytic-naevus"] * 6
SHARES = (0.9, 0.8, 0.6, 0.3, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05)
FIRST_SAYS_YES, SECOND_SAYS_YES = (1, 2, 3, 5), (1, 2, 5, 6, 7)
AUC = 20.5 / 24


@dataclass(frozen=True)
class Worked:
    study: Study
    test: Test
    model: ModelVersion
    readers: tuple[Reader, Reader]
    cases: tuple[int, ...]  # numbers of c1, c2, ..., c10


@pytest.fixture
def opened(administrator: User) -> Study:
    """Open, one test of ten cases, nobody invited."""
    return open_study(administrator, diagnoses=DIAGNOSES)


@pytest.fixture
def worked(opened: Study, researcher: User) -> Worked:
    """The study of this module's docstring, still blinded."""
    test = opened.tests.get()
    truth = made.case_truth(test)
    cases = tuple(sorted(truth, key=lambda number: (not truth[number], number)))
    readers = (accepted_reader(opened), accepted_reader(opened))
    for reader, yes in zip(readers, (FIRST_SAYS_YES, SECOND_SAYS_YES), strict=True):
        made.read(reader, test, {number: i in yes for i, number in enumerate(cases, start=1)})
    model = model_version(researcher)
    made.score_by_case(model, test, dict(zip(cases, SHARES, strict=True)))
    return Worked(opened, test, model, readers, cases)


@pytest.fixture
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds and is not what most of these tests are about."""
    monkeypatch.setattr(rendering, "browser", lambda: None)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """An export without its figures: most of its tests are about numbers."""
    monkeypatch.setattr(export, "figure_files", lambda results, numbers, seen, step=None: ([], []))


@pytest.fixture
def sampled(administrator: User, researcher: User) -> tuple[Study, ModelVersion]:
    """Two tests, of 12 cases drawn from 30 images and of all 20; five readers; one unfinished; one correction."""
    sets = [
        image_set(administrator, diagnoses=["melanoma"] * 12 + ["melanocytic-naevus"] * 18),
        image_set(administrator, diagnoses=["melanoma"] * 8 + ["melanocytic-naevus"] * 12),
    ]
    study = open_study(administrator, image_sets=sets, sample_size=12, sample_positives=5)
    readers = [accepted_reader(study) for _reader in range(5)]
    first, second = study.tests.order_by("position")
    made.simulate(first, readers)
    made.simulate(second, readers[:3], seed=2)
    made.read(readers[3], second, {1: True, 2: False, 3: True})
    item = Reading.objects.get(reader=readers[0], test=first).items.get(position=1)
    given = Answer.objects.get(submission__item=item)
    made.answer(item, given.question, not given.choice.is_positive, revision=2)
    model = model_version(researcher)
    made.score(model, {image: ((image * 7919) % 97) / 97 for image in images_to_score(study)})
    return made.unblind(study), model
