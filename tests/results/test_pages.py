"""The results page, its downloads and its two acts: for whom, when, and what they answer."""

import csv
import io
import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from model_core.checkpoint import group_digest
from readerstudy.accounts.models import AuditEntry, User
from readerstudy.images.models import ImageSet, Reference
from readerstudy.results import views
from readerstudy.scoring.models import ScoringRun
from readerstudy.studies.models import Study
from tests.builders import accepted_reader, draft_study, model_version, open_study
from tests.conftest import signed_in
from tests.results import made
from tests.results.conftest import Worked

REASON = "The safety board asked for an interim look."


@pytest.fixture
def unblinded(worked: Worked) -> Worked:
    made.unblind(worked.study)
    return worked


def gets(worked: Worked) -> list[str]:
    """Every address of results that answers GET."""
    study, test = worked.study.pk, worked.test.pk
    return [
        reverse("results", args=[study]),
        reverse("results-export", args=[study]),
        reverse("results-figure", args=[study, test, "html"]),
        reverse("results-table", args=[study, test, "readers", "csv"]),
        reverse("results-table", args=[study, test, "answers", "json"]),
        reverse("api-results", args=[study]),
    ]


def test_the_page_shows_figure_caption_and_table(unblinded: Worked, researcher_client: Client) -> None:
    response = researcher_client.get(reverse("results", args=[unblinded.study.pk]))
    assert response.status_code == 200
    page = response.content.decode()
    assert "Interim" not in page
    assert "0.854" in page  # the AUC, 20.5 / 24
    assert "0.625" in page  # the average sensitivity
    assert "SD 0.177" in page  # 0.25 / sqrt(2)
    assert "Line: empirical ROC curve of the model" in page
    assert unblinded.study.protocol_versions.get().sha256 in page
    assert unblinded.model.sha256 in page
    figure = json.loads(
        page.split(f'id="figure-{unblinded.test.pk}-1" type="application/json">')[1].split("</script>")[0]
    )
    readers = next(trace for trace in figure["data"] if trace["name"].startswith("Readers"))
    assert sorted(zip(readers["x"], readers["y"], strict=True)) == [(0.5, 0.5), (0.75, pytest.approx(5 / 6))]


def test_the_page_obeys_its_own_policy(unblinded: Worked, researcher_client: Client) -> None:
    """No inline script, style or handler: the only script without a source is the data block."""
    response = researcher_client.get(reverse("results", args=[unblinded.study.pk]))
    page = response.content.decode()
    assert "'unsafe" not in response["Content-Security-Policy"]
    assert page.count("<script") == page.count("<script src=") + page.count('<script type="module" src=') + page.count(
        'type="application/json"'
    )
    assert "<style" not in page
    assert " style=" not in page
    assert " onclick=" not in page


def test_the_page_twice_is_the_same(unblinded: Worked, researcher_client: Client) -> None:
    address = reverse("api-results", args=[unblinded.study.pk])
    first, second = researcher_client.get(address), researcher_client.get(address)
    assert first.status_code == 200
    assert first.content == second.content


def test_only_researchers_who_do_not_read_in_the_study(
    unblinded: Worked, administrator_client: Client, outsider_client: Client, client: Client
) -> None:
    addresses = gets(unblinded)
    assert len(addresses) == 6
    reader_client = signed_in(unblinded.readers[0].user)
    both = unblinded.readers[1].user
    User.objects.filter(pk=both.pk).update(is_researcher=True)
    both.refresh_from_db()
    both_client = signed_in(both)
    for address in addresses:
        for who in (administrator_client, outsider_client, reader_client, both_client):
            assert who.get(address).status_code == 404, address
        anonymous = client.get(address)
        assert anonymous.status_code == (403 if address.startswith("/api/") else 302), address


def test_acts_are_for_researchers_too(worked: Worked, administrator_client: Client, client: Client) -> None:
    for name in ("results-look", "results-score"):
        address = reverse(name, args=[worked.study.pk])
        assert administrator_client.post(address, {"reason": REASON}).status_code == 404
        assert client.post(address, {"reason": REASON}).status_code == 302
    assert not AuditEntry.objects.filter(action__in=["results.looked_before_unblinding", "run.requested"]).exists()


def test_wrong_methods(unblinded: Worked, researcher_client: Client) -> None:
    addresses = gets(unblinded)
    assert len(addresses) == 6
    for address in addresses:
        assert researcher_client.post(address).status_code == 405, address
    for name in ("results-look", "results-score"):
        assert researcher_client.get(reverse(name, args=[unblinded.study.pk])).status_code == 405


def test_wrong_ids(unblinded: Worked, researcher_client: Client, administrator: User) -> None:
    study, test = unblinded.study.pk, unblinded.test.pk
    other = made.unblind(open_study(administrator, title="Another"))
    wrong = [
        reverse("results", args=[999_999]),
        reverse("results-figure", args=[study, 999_999, "html"]),
        reverse("results-figure", args=[other.pk, test, "html"]),
        reverse("results-figure", args=[study, test, "gif"]),
        reverse("results-figure", args=[study, test, "html"]) + "?question=2",
        reverse("results-table", args=[study, test, "secrets", "csv"]),
        reverse("results-table", args=[study, test, "readers", "xlsx"]),
        reverse("results-table", args=[other.pk, test, "readers", "csv"]),
        reverse("results", args=[study]) + "?model=999999",
        reverse("results", args=[study]) + "?model=one",
        reverse("results", args=[study]) + "?model=" + "9" * 40,
        reverse("api-results", args=[study]) + "?model=-1",
    ]
    assert len(wrong) == 12
    for address in wrong:
        assert researcher_client.get(address).status_code == 404, address


def test_before_unblinding_there_is_no_number(worked: Worked, researcher_client: Client) -> None:
    response = researcher_client.get(reverse("results", args=[worked.study.pk]))
    assert response.status_code == 200
    page = response.content.decode()
    assert "Interim look" in page
    for number in ("0.854", "0.625", "0.667", "application/json"):
        assert number not in page
    others = [address for address in gets(worked) if address != reverse("results", args=[worked.study.pk])]
    assert len(others) == 5
    for address in others:
        assert researcher_client.get(address).status_code == 404, address


def test_an_interim_look_is_recorded_once_for_one_person(
    worked: Worked, researcher: User, researcher_client: Client
) -> None:
    address = reverse("results-look", args=[worked.study.pk])
    for _time in range(2):
        response = researcher_client.post(address, {"reason": REASON})
        assert response.status_code == 302
        assert response["Location"] == reverse("results", args=[worked.study.pk])
    entry = AuditEntry.objects.get(action="results.looked_before_unblinding")
    assert (entry.actor, entry.target_id, entry.details["reason"]) == (researcher, str(worked.study.pk), REASON)
    page = researcher_client.get(reverse("results", args=[worked.study.pk])).content.decode()
    assert "Interim, study not unblinded." in page
    assert "0.854" in page
    assert researcher_client.get(reverse("api-results", args=[worked.study.pk])).json()["provenance"]["interim"] is True
    colleague = User.objects.create_user("colleague@example.org", "a long pass phrase", is_researcher=True)
    assert signed_in(colleague).get(reverse("api-results", args=[worked.study.pk])).status_code == 404


def test_a_look_without_a_reason_is_refused(worked: Worked, researcher_client: Client) -> None:
    for reason in ("", "   ", "why not"):
        response = researcher_client.post(reverse("results-look", args=[worked.study.pk]), {"reason": reason})
        assert response.status_code == 400
        assert "0.854" not in response.content.decode()
    assert not AuditEntry.objects.filter(action="results.looked_before_unblinding").exists()


def test_a_draft_has_no_results(administrator: User, researcher_client: Client) -> None:
    study = draft_study(administrator)
    assert "not open yet" in researcher_client.get(reverse("results", args=[study.pk])).content.decode()
    researcher_client.post(reverse("results-look", args=[study.pk]), {"reason": REASON})
    assert not AuditEntry.objects.filter(action="results.looked_before_unblinding").exists()
    assert researcher_client.post(reverse("results-score", args=[study.pk])).status_code == 409


def test_results_without_a_model(opened: Study, researcher_client: Client) -> None:
    made.unblind(opened)
    page = researcher_client.get(reverse("results", args=[opened.pk])).content.decode()
    assert "There is no model yet" in page
    assert researcher_client.post(reverse("results-score", args=[opened.pk])).status_code == 409


def test_scoring_is_asked_for_once(opened: Study, researcher: User, researcher_client: Client) -> None:
    model = model_version(researcher)
    page = researcher_client.get(reverse("results", args=[opened.pk])).content.decode()
    assert "Score 10 images" in page
    for _time in range(2):
        response = researcher_client.post(reverse("results-score", args=[opened.pk]), {"model": model.pk})
        run = ScoringRun.objects.get()
        assert response["Location"] == reverse("run", args=[run.pk])
    assert run.n_images == 10
    assert run.requested_by == researcher
    page = researcher_client.get(reverse("results", args=[opened.pk])).content.decode()
    assert "A scoring run is under way" in page
    assert "Score 10 images" not in page


def test_the_model_can_be_chosen(unblinded: Worked, researcher: User, researcher_client: Client) -> None:
    other = model_version(researcher, "melanoma", name="Cannot score this")
    address = reverse("results", args=[unblinded.study.pk])
    assert "0.854" in researcher_client.get(address).content.decode()  # the one that has scored, though it is older
    page = researcher_client.get(f"{address}?model={other.pk}").content.decode()
    assert "This model cannot score this test." in page
    assert "no training class under the negative nodes" in page
    assert "0.625" in page


def test_a_leak_stands_above_the_figure(unblinded: Worked, researcher: User, researcher_client: Client) -> None:
    image = unblinded.test.cases.get(number=unblinded.cases[0]).images.get()
    seen = model_version(researcher, groups={"lesions": [group_digest("lesion", image.reference.lesion_id)]})
    page = researcher_client.get(f"{reverse('results', args=[unblinded.study.pk])}?model={seen.pk}").content.decode()
    warning = page.index("The model has seen some of these images in training.")
    assert warning < page.index("data-figure=")
    assert "1 of the 10 cases read" in page
    assert f"Cases: {unblinded.cases[0]}." in page


def test_a_checkpoint_that_names_no_training_image_is_said_to(unblinded: Worked, researcher_client: Client) -> None:
    page = researcher_client.get(reverse("results", args=[unblinded.study.pk])).content.decode()
    assert page.count("checkpoint does not say which images it was trained on. Whether") == 1


def test_the_notice_of_drawn_pictures(unblinded: Worked, researcher_client: Client) -> None:
    ImageSet.objects.update(notice="Drawn by a program; no patient.")
    page = researcher_client.get(reverse("results", args=[unblinded.study.pk])).content.decode()
    caption = page.split("<figcaption>")[1].split("</figcaption>")[0]
    assert "Drawn by a program; no patient." in caption
    assert "is not the one that was frozen" in page  # and the page says that the set is another one now


def test_a_case_without_a_side_is_a_page_not_a_traceback(unblinded: Worked, researcher_client: Client) -> None:
    image = unblinded.test.cases.get(number=3).images.get()
    Reference.objects.filter(image=image).update(diagnosis="seborrhoeic-keratosis")
    response = researcher_client.get(reverse("results", args=[unblinded.study.pk]))
    assert response.status_code == 409
    assert "case 3 has the diagnosis" in response.content.decode()
    assert researcher_client.get(reverse("api-results", args=[unblinded.study.pk])).status_code == 409


def test_a_figure_that_cannot_be_drawn_is_a_page(
    unblinded: Worked, researcher_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("readerstudy.results.rendering.browser", lambda: None)
    address = reverse("results-figure", args=[unblinded.study.pk, unblinded.test.pk, "png"])
    response = researcher_client.get(address)
    assert response.status_code == 503
    assert "This server cannot draw" in response.content.decode()
    page = researcher_client.get(reverse("results", args=[unblinded.study.pk])).content.decode()
    assert 'data-figure-save="png"' in page  # the browser draws it instead


def test_downloads_are_files_with_plain_names(unblinded: Worked, researcher_client: Client) -> None:
    study, test = unblinded.study.pk, unblinded.test.pk
    page = researcher_client.get(reverse("results-figure", args=[study, test, "html"]) + "?convention=roc&inline")
    assert page["Content-Disposition"] == f'attachment; filename="study-{study}-test-1-roc.html"'
    assert "1 − specificity" in page.content.decode() or "1 \\u2212 specificity" in page.content.decode()
    table = researcher_client.get(reverse("results-table", args=[study, test, "readers", "csv"]))
    assert table["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(table.content.decode())))
    assert [(row["reader"], row["tp"], row["fn"], row["tn"], row["fp"]) for row in rows] == [
        ("R01", "3", "1", "5", "1"), ("R02", "2", "2", "3", "3"),
    ]  # fmt: skip
    assert rows[0]["sensitivity"] == "0.75"
    as_json = researcher_client.get(reverse("results-table", args=[study, test, "readers", "json"])).json()
    assert [row["specificity"] for row in as_json["rows"]] == [5 / 6, 0.5]


def test_page_and_api_take_as_many_queries_for_many_readers(
    worked: Worked, researcher_client: Client, django_assert_max_num_queries: Any
) -> None:
    made.simulate(worked.test, [accepted_reader(worked.study) for _reader in range(8)])
    made.unblind(worked.study)
    for n_queries in (130, 60):  # computed, then found
        with django_assert_max_num_queries(n_queries):
            assert researcher_client.get(reverse("results", args=[worked.study.pk])).status_code == 200


def test_every_table_has_a_link(unblinded: Worked, researcher_client: Client) -> None:
    page = researcher_client.get(reverse("results", args=[unblinded.study.pk])).content.decode()
    assert len(views.SHEETS) == 11
    for name in views.SHEETS:
        assert reverse("results-table", args=[unblinded.study.pk, unblinded.test.pk, name, "csv"]) in page
