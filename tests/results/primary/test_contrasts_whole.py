"""A planned comparison of two stages through the whole system: page, labels, files, methods, recomputation."""

import csv
import json
import re
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from scipy.stats import ttest_rel

from readerstudy.accounts.models import User
from readerstudy.results import recompute
from readerstudy.results.export import write_folder
from readerstudy.studies import drafting, plan, protocol
from readerstudy.studies.drafts import ArmDraft, StageDraft
from readerstudy.studies.models import AnalysisPlan, Study, Test
from readerstudy.studies.plan import Contrast, Under
from tests.builders import accepted_reader, draft_study, model_version
from tests.results import made
from tests.results.conditions.staged import read_all
from tests.results.conditions.test_whole import says
from tests.studies.building import BIOPSY, text

N_READERS, N_CASES = 4, 6


@pytest.fixture
def study(administrator: User) -> Study:
    """Six cases, alone and with advice that nobody turned; unblinded. Accuracy is primary, sensitivity secondary."""
    names = ["melanoma" if number % 3 == 0 else "melanocytic-naevus" for number in range(N_CASES)]
    draft = draft_study(administrator, diagnoses=names)
    test, model = draft.tests.get(), model_version(administrator)
    stages = [StageDraft([BIOPSY]), StageDraft([BIOPSY], shows_advice=True)]
    arms = [ArmDraft("Told", "probability", model.sha256)]
    drafting.save_test(test, stages=stages, arms=arms, actor=administrator)
    primary = Contrast(
        plan.PRIMARY, 1, Under(1, 1, 1), Under(2, 1, 2), plan.ALL_ADVICE, plan.ACCURACY, plan.OR_CASES_FIXED,
        plan.SUPERIORITY, 0.0,
    )  # fmt: skip
    aside = Contrast(plan.IS_SECONDARY, 1, *(Under(1, 1, 1), Under(2, 1, 2)), plan.ALL_ADVICE, plan.SENSITIVITY,
                     plan.OR_RANDOM, plan.NON_INFERIORITY, 0.1)  # fmt: skip
    AnalysisPlan.objects.filter(study=draft).update(
        endpoint=plan.CONDITIONS, method="", hypothesis="", threshold_origin="", threshold=None, secondary=[],
        contrasts=[primary.document(), aside.document()],
    )  # fmt: skip
    protocol.open_study(draft, actor=administrator)
    test = Test.objects.get(pk=test.pk)
    truth = made.case_truth(test)
    made.score_by_case(model, test, {case: 0.8 if truth[case] != (case == 1) else 0.2 for case in truth})
    for i in range(N_READERS):
        read_all(accepted_reader(draft), test, lambda item, stage, i=i: says(i, item, stage))
    protocol.close_study(draft, actor=administrator)
    protocol.unblind_study(draft, actor=administrator)
    return Study.objects.get(pk=draft.pk)


def test_it_comes_first_is_labelled_decided_on_and_recomputed(
    study: Study, researcher_client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = researcher_client.get(reverse("results", args=[study.pk])).content.decode()
    first = text(re.findall(r'<section class="card primary".*?</section>', page, re.DOTALL)[0].encode())
    assert 0 < page.index('id="primary"') < page.index('<section class="test"')
    assert "share of right decisions of the readers: “with advice: the model's probability” is superior to" in first
    assert first.index("share of right decisions") < first.index("Secondary comparisons, as planned")
    assert "Fewer than 10 cases (6): the result is fragile." in first
    assert "Fewer than 5 readers (4): no sound inference to other readers." in first
    assert "Model Average reader" not in first  # nothing is planned of the model
    methods = text(page.split("Methods</summary>")[1].encode())
    for sentence in (
        "blinded to the diagnoses and to each other's answers, and to the model's output but for the advice",
        "Stage 1: image alone; stage 2: with advice: the model's probability.",
        "only after the answers of every stage before it had been stored. No advice was wrong on purpose.",
        "The primary endpoint, fixed in the protocol, was the readers' share of right decisions: stage 2",
        "A secondary endpoint was the readers' sensitivity:",
    ):
        assert sentence in methods
    test = study.tests.get()
    told = researcher_client.get(reverse("results-conditions", args=[study.pk, test.pk])).content.decode()
    roles = dict(re.findall(r'<th scope="row">([A-Z][^<]*?)(?: <span class="role">(.*?)</span>)?</th>', told))
    assert (roles["Sensitivity"], roles["Specificity"], roles["Right answers"]) == (
        "secondary", "", "primary endpoint",
    )  # fmt: skip

    folder = tmp_path / "export"
    write_folder(study, None, folder)
    assert recompute.main([str(folder)]) == 0
    with (folder / "contrasts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["role"] for row in rows] == ["primary endpoint", "secondary"]
    with (folder / "test-1" / "conditions.csv").open(newline="") as file:
        shares = [
            row for row in csv.DictReader(file) if row["measure"] == "accuracy" and row["reader"] != "all readers"
        ]
    before, after = ([float(r["value"]) for r in shares if ("advice" in r["condition"]) == told] for told in (0, 1))
    wanted = ttest_rel(after, before)
    assert float(rows[0]["p"]) == pytest.approx(wanted.pvalue)
    assert rows[0]["decision"] == ("shown" if wanted.pvalue < 0.05 and wanted.statistic > 0 else "not shown")
    recorded = json.loads((folder / "results.json").read_text())
    recorded["primary"]["contrasts"][0]["decision"] = "reversed"
    (folder / "results.json").write_text(json.dumps(recorded))
    capsys.readouterr()
    assert recompute.main([str(folder)]) == 1
    assert "results.json primary.contrasts[0].decision: 'reversed' recorded" in capsys.readouterr().out
