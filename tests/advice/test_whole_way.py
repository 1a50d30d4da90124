"""Two published designs with advice, from the template's one click to the last answer, through the pages alone."""

from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.images.models import Image, ImageSet
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Answer, Reading, SessionEvent
from readerstudy.readings.progress import standing
from readerstudy.results.long_form import COLUMNS
from readerstudy.results.tables.responses import responses
from readerstudy.scoring import tasks
from readerstudy.scoring.models import Chunk, ModelVersion, Score
from readerstudy.studies.models import Question, Stage, Study, Test
from readerstudy.studies.publications import SEVEN
from tests.advice.material import ask, refusals, shown_events
from tests.builders import accepted_reader, draft_study, image_set, model_version
from tests.conftest import signed_in
from tests.readings.conftest import address_of, fields
from tests.scoring.fakes import FakeClassifier
from tests.studies.building import text

NODES = [node for node, _label, _malignant in SEVEN]


@pytest.fixture
def images(administrator: User) -> ImageSet:
    """Two of each of the seven diagnoses, with what is known of the patient."""
    made = image_set(administrator, diagnoses=NODES * 2, modality="dermoscopy")
    made.images.update(age=61, sex="female", site="upper back")
    return made


@pytest.fixture
def model(administrator: User, monkeypatch: pytest.MonkeyPatch) -> ModelVersion:
    monkeypatch.setattr(tasks, "load_classifier", lambda sha256: FakeClassifier(k=7))
    return model_version(administrator, *NODES, name="Seven classes")


def opened(client: Client, images: ImageSet, model: ModelVersion, key: str, **columns: Any) -> Test:
    """The template's test alone in a study, made small, its advice prepared and the study opened, all by its pages."""
    study = draft_study(images.created_by, image_sets=[images])
    study.tests.all().delete()
    page, advice = reverse("study", args=[study.pk]), reverse("study-advice", args=[study.pk])
    chosen = {"publication": key, "images": images.pk, "model_sha256": model.sha256}
    assert client.post(reverse("study-templates", args=[study.pk]), chosen).status_code == HTTPStatus.FOUND
    Test.objects.filter(study=study).update(**columns)
    # Nothing was made yet: it is said, with the way to the button that starts it; and the study cannot be opened.
    shown = client.get(page).content
    assert "“Seven classes” has to make scores of 14 pictures; 0 are done." in text(shown)
    assert f'href="{advice}"' in shown.decode()
    refused = client.post(reverse("study-open", args=[study.pk]))
    assert refused.status_code == HTTPStatus.CONFLICT
    assert "has to make scores" in text(refused.content)
    assert "0 of 14 pictures" in text(client.get(advice).content)
    for _twice in range(2):  # a double click asks once
        assert client.post(advice).status_code == HTTPStatus.FOUND
    (chunk,) = Chunk.objects.all()
    assert "is making scores: 0 of 14 pictures are done" in text(client.get(page).content)
    tasks.score_chunk(chunk.pk)
    assert Score.objects.count() == 14
    assert "All of it is there." in text(client.get(advice).content)
    assert client.post(reverse("study-open", args=[study.pk])).status_code == HTTPStatus.FOUND
    assert Study.objects.get(pk=study.pk).state == Study.State.OPEN
    # A frozen study's advice is prepared no more.
    assert client.get(advice).status_code == HTTPStatus.CONFLICT
    return study.tests.get()


def filled(stage: Stage) -> dict[str, str]:
    """What a browser posts as answers to a stage."""
    values = {}
    for question in stage.questions.all():
        if question.kind == Question.Kind.RANKING:
            values |= {f"question-{question.pk}-1": "melanoma", f"question-{question.pk}-2": "dermatofibroma"}
        elif question.kind == Question.Kind.SCALE:
            values[f"question-{question.pk}"] = "4"
        else:
            values[f"question-{question.pk}"] = str(question.choices.order_by("position")[0].pk)
    return values


def read_by_forms(client: Client, reading: Reading) -> list[tuple[int, int]]:
    """To the end, by plain forms; (position, stage) of each page. Advice is asked for before every answer."""
    seen = []
    while (now := standing(Reading.objects.get(pk=reading.pk)).current) is not None:
        page = client.get(address_of(reading))
        seen.append((now.position, now.stage.position))
        piece = ask(client, now.item)
        assert piece.status_code == (HTTPStatus.OK if now.needs_advice else HTTPStatus.CONFLICT)
        assert ("advice-bars" in page.content.decode()) == now.needs_advice
        assert client.post(address_of(reading), fields(page) | filled(now.stage)).status_code == HTTPStatus.FOUND
    return seen


def test_tschandl_batches_with_advice(administrator_client: Client, images: ImageSet, model: ModelVersion) -> None:
    test = opened(
        administrator_client, images, model, "tschandl", cases_per_reading=4, positives_per_reading=2, most_readings=2
    )  # fmt: skip
    reader = accepted_reader(test.study)
    assert reader.user is not None
    client = signed_in(reader.user)
    (reading,) = ensure_readings(reader.user)
    both = [(position, stage) for position in (1, 2, 3, 4) for stage in (1, 2)]
    assert read_by_forms(client, reading) == both
    assert refusals(reading) == [(position, "ahead") for position in (1, 2, 3, 4)]
    first = shown_events(reading)
    assert [event.item.position for event in first if event.item] == [1, 2, 3, 4]
    # The bars are the question's seven classes in its order, and what the model said of this picture.
    rows = first[0].detail["rows"]
    assert [name for name, _value in rows] == [str(label) for _node, label, _malignant in SEVEN]
    score = Score.objects.get(image__in=first[0].item.case.images.all())  # type: ignore[union-attr]
    by_node = dict(zip(NODES, memoryview(bytes(score.probabilities)).cast("f").tolist(), strict=True))
    assert [value for _name, value in rows] == pytest.approx([by_node[node] for node in NODES])
    # As many batches as the reader likes: the next one likewise.
    assert client.post(reverse("read-another", args=[reading.uuid])).status_code == HTTPStatus.FOUND
    second = Reading.objects.get(reader=reader, number=2)
    assert read_by_forms(client, second) == both
    assert Answer.objects.count() == 16


def test_jain_every_second_block_with_advice(
    administrator_client: Client, images: ImageSet, model: ModelVersion
) -> None:
    test = opened(administrator_client, images, model, "jain", block_size=2, cases_read="sample", cases_per_reading=6)
    reader = accepted_reader(test.study)
    assert reader.user is not None
    (reading,) = ensure_readings(reader.user)
    assert len(read_by_forms(signed_in(reader.user), reading)) == 2 * 6  # the second asks more, in either arm
    reading.refresh_from_db()
    assert reading.finished_at is not None
    items = list(reading.items.select_related("arm").order_by("position"))
    advised = {item.position for item in items if item.arm and item.arm.advice == "classes"}
    assert len(advised) in (2, 4)
    assert {event.item.position for event in shown_events(reading) if event.item} == advised
    # The model's own five likeliest diagnoses, the likeliest first.
    values = [value for _name, value in shown_events(reading)[0].detail["rows"]]
    assert len(values) == 5
    assert values == sorted(values, reverse=True)
    # The long form says of each answer in which arm it was given, and when its advice was first shown.
    names = [name for name, _what, _where in COLUMNS]
    rows = [dict(zip(names, row, strict=True)) for row in responses(test, {reader.pk: reader.code})]
    assert {row["position"] for row in rows if row["advice"] == "classes"} == advised
    shown = {event.item.position: event.at for event in shown_events(reading) if event.item}
    assert {row["position"]: row["advice_shown_at"] for row in rows if row["advice_shown_at"]} == shown
    assert {row["stage"] for row in rows if row["advice_shown_at"]} == {1, 2}


def test_a_model_that_was_trained_on_the_cases_cannot_advise(
    administrator_client: Client, administrator: User, images: ImageSet
) -> None:
    known = list(Image.objects.filter(image_set=images).order_by("pk").values_list("pixels_sha256", flat=True)[:3])
    model = model_version(administrator, *NODES, name="Knows them", groups={"pixels": known})
    study = draft_study(administrator, image_sets=[images])
    study.tests.all().delete()
    chosen = {"publication": "jain", "images": images.pk, "model_sha256": model.sha256}
    administrator_client.post(reverse("study-templates", args=[study.pk]), chosen)
    page = text(administrator_client.get(reverse("study", args=[study.pk])).content)
    assert "“Knows them” was trained on 3 of the test's 14 pictures" in page


def test_the_page_that_prepares_advice_is_for_staff_and_drafts(
    administrator_client: Client, researcher_client: Client, outsider_client: Client, administrator: User
) -> None:
    study = draft_study(administrator)
    advice = reverse("study-advice", args=[study.pk])
    assert "No arm of this study gives advice" in text(administrator_client.get(advice).content)
    assert researcher_client.get(advice).status_code == HTTPStatus.OK
    assert outsider_client.get(advice).status_code == HTTPStatus.NOT_FOUND
    assert outsider_client.post(advice).status_code == HTTPStatus.NOT_FOUND
    assert administrator_client.post(advice).status_code == HTTPStatus.FOUND
    assert administrator_client.put(advice).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert administrator_client.get(reverse("study-advice", args=[0])).status_code == HTTPStatus.NOT_FOUND
    assert not SessionEvent.objects.exists()
