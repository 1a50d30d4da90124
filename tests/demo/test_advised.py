"""The demonstration's study with advice: read before and after it, finished, unblinded, and made once."""

from dataclasses import replace

import pytest

from readerstudy.accounts.models import User
from readerstudy.demo import advised
from readerstudy.demo.plan import TESTS
from readerstudy.readings.models import SessionEvent, Submission
from readerstudy.results.analysis import analyse
from readerstudy.results.tables import study_tables
from readerstudy.studies import protocol
from readerstudy.studies.models import Study
from tests.builders import image_set, model_version
from tests.results import made

N_READERS, N_CASES = 2, 6


def test_it_is_read_with_advice_and_done_once(administrator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advised, "N_ADVISED_READERS", N_READERS)
    images = image_set(administrator, diagnoses=["melanoma", "melanocytic-naevus"] * 4, modality="dermoscopy")
    model = model_version(administrator)
    made.score(model, {image.pk: 0.9 if number % 2 else 0.2 for number, image in enumerate(images.images.all())})
    planned = replace(TESTS[-1], n_cases=N_CASES, n_positive=3)
    for _once_more in range(2):
        study = advised.study(planned, images, model, administrator, lambda done, total: None)
    assert Study.objects.get() == study
    assert study.unblinded_at is not None
    assert "simulated" in study.title
    assert "simulated" in study.description
    assert Submission.objects.count() == N_READERS * N_CASES * 2
    assert SessionEvent.objects.filter(kind=SessionEvent.Kind.ADVICE_SHOWN).count() == N_READERS * N_CASES
    assert protocol.changed(study) == []
    primary = analyse(study_tables(study, None)).primary
    assert primary is not None
    assert [(one.role, one.asked.measure, one.n_readers) for one in primary.contrasts] == [
        ("primary endpoint", "balanced accuracy", N_READERS), ("secondary", "sensitivity", N_READERS),
        ("secondary", "specificity", N_READERS),
    ]  # fmt: skip
