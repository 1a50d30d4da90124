"""The benchmark computes what the pages show, of a drawn study, and of the same study in a database of its own."""

import io
import re

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from sklearn.metrics import roc_auc_score

from readerstudy.readings.models import Answer
from readerstudy.results import stats
from readerstudy.results.analysis import analyse_tests
from readerstudy.results.benchmark import proc
from readerstudy.results.benchmark.drawn import Size, drawn_test
from readerstudy.results.benchmark.rows import make_study
from readerstudy.results.benchmark.statistics import by_ranks
from readerstudy.results.benchmark.study import from_database
from readerstudy.studies.models import Study

SMALL = Size(readers=4, cases=30, images=200)


def test_it_prints_seconds_memory_and_ratios() -> None:
    out = io.StringIO()
    call_command("benchmark_results", readers=4, cases=30, images=200, rounds=1, stdout=out)
    text = out.getvalue()
    assert len(re.findall(r"ours +[\d.]+ ms  a loop over roc_auc_score +[\d.]+ ms  ratio +[\d.]+", text)) == 2
    assert len(re.findall(r"ours +[\d.]+ ms  by scipy.stats.rankdata +[\d.]+ ms  ratio +[\d.]+", text)) == 2
    for name in ("difference", "against", "strata", "agreement", "calibration", "pace", "vote", "decisions"):
        assert re.search(rf"alone: {name} +\d+\.\d\d s", text), name
    assert re.search(r"every number \d+\.\d\d s, peak \d+ MB", text)


def test_the_drawn_study_is_a_whole_one() -> None:
    table = drawn_test(SMALL)
    (test,) = analyse_tests((table,), None)
    assert (test.n_cases, test.n_readers, test.questions[0].n_complete) == (30, 4, 4)
    assert test.model is not None
    assert test.model.full is not None
    assert test.model.full.auc.value == pytest.approx(roc_auc_score(table.model.full_truth, table.model.full_scores))  # type: ignore[union-attr]


def test_the_baseline_computes_the_same_interval() -> None:
    """Three rankings (Sun and Xu 2014) against ours, ties among them."""
    rng = np.random.default_rng(3)
    truth = rng.random(200) < 0.3
    score = np.round(rng.normal(size=200) + truth, 1)
    auc, variance = by_ranks(truth, score)
    ours = stats.delong(truth, score)
    assert auc == pytest.approx(ours.auc[0], abs=1e-12)
    assert variance == pytest.approx(ours.covariance[0, 0], abs=1e-12)


def test_the_same_study_from_a_database(db: None) -> None:
    said: list[str] = []
    study, _model = make_study(SMALL, seed=0, say=said.append)
    assert Study.objects.get() == study
    assert study.unblinded_at is not None
    assert Answer.objects.count() == 4 * 30
    said.clear()
    from_database(said.append)
    assert re.search(r"a first look \d+\.\d\d s, a second \d+\.\d\d s, peak \d+ MB", said[-1])


def test_a_drawn_study_goes_into_an_empty_database_only(db: None) -> None:
    make_study(SMALL, seed=0, say=lambda what: None)
    with pytest.raises(CommandError, match="empty database only"):
        call_command(
            "benchmark_results", readers=4, cases=30, images=200, in_private_database="fill", stdout=io.StringIO()
        )


def test_sizes_that_are_none_are_refused() -> None:
    with pytest.raises(CommandError, match="no more cases than images"):
        call_command("benchmark_results", readers=4, cases=30, images=20)


@pytest.mark.skipif(not proc.found(), reason="no Rscript with pROC (Debian: apt-get install r-cran-proc)")
def test_proc_finds_the_same_interval() -> None:
    """pROC's DeLong interval of the same cases, ties among them: a baseline that computes something else is none."""
    rng = np.random.default_rng(5)
    truth = rng.random(300) < 0.4
    score = np.round(rng.normal(size=300) + truth, 1)
    with proc.Proc(truth, score) as r:
        assert r.name.startswith("pROC ")
        seconds, (low, auc, high) = r.timed("interval", 3)
        assert len(r.timed("replicates", 20)[1]) == 3
    assert 0 < seconds < 60
    (ours,) = stats.delong(truth, score).ci()
    assert (ours.low, ours.value, ours.high) == pytest.approx((low, auc, high), abs=1e-12)
