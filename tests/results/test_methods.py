"""The methods paragraph says what was set and done, and the exported protocol names no person."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.readers import invitations
from readerstudy.results.analysis import analyse
from readerstudy.results.export import files_of
from readerstudy.results.methods import methods, protocol_document
from readerstudy.results.tables import study_tables
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study
from tests.builders import accepted_reader, image_set, open_study
from tests.results import made
from tests.results.conftest import Worked


def written(study: Study, model: ModelVersion | None) -> str:
    return "\n".join(methods(analyse(study_tables(study, model)), protocol_document(study)))


def test_it_says_what_was_set_and_done(worked: Worked) -> None:
    accepted_reader(worked.study)
    left = accepted_reader(worked.study)
    invitations.withdraw(left, actor=worked.study.created_by)
    made.unblind(worked.study)
    text = written(worked.study, worked.model)
    protocol = worked.study.protocol_versions.get()
    for said in (
        "the cases of 1 test in a web browser",
        f"version 1, SHA-256 {protocol.sha256}",
        f"came from the set “{worked.test.image_set.name}” (10 images); at most one image of each lesion.",
        "Every image that fitted was used. This gave 10 cases (4 positive, 6 negative).",
        "Diagnoses were known by: histopathology 10.",
        "3 readers were asked to read them",
        "1 more withdrew and is in no number.",
        "Asked “What would you do?”, they chose between “Biopsy or treat”, which counted as positive",
        "2 answered every case, 0 a part of them, 1 had not begun",
        f"“{worked.model.name}” (inception_v3, 2 training classes, weights SHA-256 {worked.model.sha256}",
        "size 299",
        "Whether it was trained on any of these images could not be checked.",
        "95% Wilson intervals",
        "confidence intervals (DeLong)",
        "seed 2017",
        "numpy ",
    ):
        assert said in text, said
    assert "interim" not in text
    assert "%(" not in text


def test_other_settings_make_another_text(administrator: User, worked: Worked) -> None:
    images = image_set(administrator, diagnoses=["melanoma"] * 5 + ["melanocytic-naevus"] * 9, modality="dermoscopy")
    study = open_study(administrator, image_sets=[images], sample_size=8, sample_positives=3, seed=7)
    text = written(study, None)
    assert "8 were drawn at random, 3 of them positive (seed “7/test 1/sample”)" in text
    assert "These results are interim" in text
    assert "The model “" not in text  # none scored; the plan speaks of the model all the same
    assert "Wilson" not in text  # nobody was asked: there is no interval to speak of
    assert "0 readers were asked" in text


@pytest.mark.usefixtures("no_browser")
def test_the_export_holds_it_and_a_protocol_without_persons(worked: Worked) -> None:
    files = {file.name: file.content for file in files_of(worked.study, worked.model)}
    assert files["methods.txt"].decode().split("\n\n")[0] in written(worked.study, worked.model)
    protocol = json.loads(files["protocol.json"])
    frozen = worked.study.protocol_versions.get()
    assert (protocol["number"], protocol["sha256"]) == (1, frozen.sha256)
    assert protocol["tests"] == frozen.document["tests"]
    assert protocol["left_out"] == ["study.contact", "study.consent.text"]
    assert "contact" not in protocol["study"]
    assert list(protocol["study"]["consent"]) == ["sha256"]
    for name in ("protocol.json", "methods.txt"):
        assert b"Dr. Example" not in files[name]
        assert b"I agree to take part" not in files[name]


def test_the_page_shows_it(worked: Worked, researcher_client: Client) -> None:
    made.unblind(worked.study)
    page = researcher_client.get(reverse("results", args=[worked.study.pk])).content.decode()
    assert "<summary>Methods</summary>" in page
    assert "each in a random order of his or her own" in page
