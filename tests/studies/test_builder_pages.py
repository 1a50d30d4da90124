"""The detail pages of a test, templates, copy, export and import: they work, refuse what is wrong, and only for
administrators of a draft."""

import html
import json
import re
from http import HTTPStatus
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.images.models import ImageSet
from readerstudy.studies import drafting, protocol
from readerstudy.studies.drafts import ChoiceDraft, QuestionDraft, StageDraft, arms_of, decision, stages_of
from readerstudy.studies.models import Question, Study, Test
from tests.builders import draft_study, image_set, model_version, open_study

BIOPSY = decision("Biopsy?", [("Yes", True), ("No", False)])
SURE = QuestionDraft("Sure?", Question.Kind.SCALE, least=1, most=5)


@pytest.fixture
def images(administrator: User) -> ImageSet:
    return image_set(administrator, diagnoses=["melanoma"] * 4 + ["melanocytic-naevus"] * 5, name="The set")


@pytest.fixture
def draft(administrator: User, images: ImageSet) -> Study:
    return draft_study(administrator, image_sets=[images])


@pytest.fixture
def test(draft: Study) -> Test:
    found = draft.tests.get()
    drafting.save_test(found, stages=[StageDraft([BIOPSY]), StageDraft([BIOPSY, SURE])], actor=draft.created_by)
    return found


def address(name: str, test: Test, *more: int) -> str:
    return reverse(name, args=[test.study_id, test.pk, *more])


def text(content: bytes) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", content.decode())))


def sent(form: Any) -> dict[str, Any]:
    """What a browser sends of a form as it stands."""
    values = {field.html_name: field.value() for field in form}
    return {name: value for name, value in values.items() if value is not None and value is not False}


def rows_sent(rows: Any) -> dict[str, Any]:
    values = {field.html_name: field.value() for field in rows.management_form}
    for row in rows:
        values |= sent(row)
    return values


# --- design ----------------------------------------------------------------------------------------------------------


def test_a_design_is_saved_as_it_is_and_as_it_was_changed(administrator_client: Client, test: Test) -> None:
    page = address("test-design", test)
    values = sent(administrator_client.get(page).context["form"])
    before = protocol.document(test.study)
    answer = administrator_client.post(page, values)
    assert answer.url == f"{reverse('study', args=[test.study_id])}#test-{test.pk}"
    assert protocol.document(Study.objects.get()) == before
    values |= {
        "cases_read": "batches", "cases_per_reading": "4", "positives_per_reading": "2", "most_readings": "3",
        "order": "stratified", "time_limit": "hard", "seconds_per_case": "30", "changes": "until-next",
        "repeats": "1", "repeat_distance": "2", "pass_mark": "75", "zoom_allowed": "on",
    }  # fmt: skip
    assert administrator_client.post(page, values).status_code == HTTPStatus.FOUND
    test.refresh_from_db()
    assert (test.cases_read, test.cases_per_reading, test.positives_per_reading) == ("batches", 4, 2)
    assert (test.most_readings, test.order, test.seconds_per_case, test.pass_mark) == (3, "stratified", 30, 75)
    assert protocol.missing(Study.objects.get()) == []
    card = text(administrator_client.get(reverse("study", args=[test.study_id])).content)
    for sentence in (
        "as many as he likes: 4 cases, 2 of them positive.", "At most 3 batches a reader.",
        "30 seconds for a case", "1 cases come a second time, after 2 others at least.", "Passed with 75 % correct",
    ):  # fmt: skip
        assert sentence in card, sentence


def test_what_a_choice_makes_irrelevant_is_dropped(administrator_client: Client, test: Test) -> None:
    page = address("test-design", test)
    values = sent(administrator_client.get(page).context["form"])
    # Left in fields that the page hides with script.
    values |= {"cases_per_reading": "7", "block_size": "3", "wash_out_days": "9", "seconds_per_case": "2",
               "most_readings": "4", "practice_cases": "3"}  # fmt: skip
    assert administrator_client.post(page, values).status_code == HTTPStatus.FOUND
    test.refresh_from_db()
    assert (test.cases_per_reading, test.block_size, test.wash_out_days) == (None, None, 0)
    assert (test.seconds_per_case, test.most_readings, test.practice_cases) == (None, 1, 0)


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({"cases_read": "sample"}, "cases_per_reading", "Say how many cases a reading has."),
        ({"cases_read": "sample", "cases_per_reading": "-1"}, "cases_per_reading", "greater than or equal to 0"),
        (
            {"cases_read": "sample", "cases_per_reading": "2", "positives_per_reading": "3"},
            "positives_per_reading", "more positive cases than cases in a reading",
        ),
        ({"arms_design": "alternating"}, "block_size", "after how many cases"),
        ({"time_limit": "hard", "seconds_per_case": "4"}, "seconds_per_case", "at least 5"),
        ({"time_limit": "hard"}, "seconds_per_case", "at least 5"),
        ({"images_per_case": "7"}, "images_per_case", "from 1 to 6"),
        ({"pass_mark": "0"}, "pass_mark", "from 1 to 100 per cent"),
        ({"cases_read": "guess"}, "cases_read", "is not one of the available choices"),
        ({"practice_set": "99999"}, "practice_set", "not one of the available choices"),
        ({"requires": "99999"}, "requires", "not one of the available choices"),
        ({"repeats": "many"}, "repeats", "Enter a whole number"),
    ],
)  # fmt: skip
def test_a_wrong_design_is_named_at_its_field_and_not_stored(
    administrator_client: Client, test: Test, values: dict[str, str], field: str, sentence: str
) -> None:
    page = address("test-design", test)
    before = protocol.document(test.study)
    answer = administrator_client.post(page, sent(administrator_client.get(page).context["form"]) | values)
    assert answer.status_code == HTTPStatus.OK
    assert sentence in " ".join(answer.context["form"].errors[field])
    assert sentence in text(answer.content)
    assert protocol.document(Study.objects.get()) == before


def test_practice_without_a_number_is_named(administrator_client: Client, test: Test, images: ImageSet) -> None:
    page = address("test-design", test)
    values = sent(administrator_client.get(page).context["form"]) | {"practice_set": str(images.pk)}
    assert "how many practice cases" in text(administrator_client.post(page, values).content)


def test_only_an_earlier_test_can_be_required(administrator_client: Client, draft: Study, images: ImageSet) -> None:
    first = draft.tests.get()
    second = Test(study=draft, image_set=images, title="Second")
    drafting.save_test(second, actor=draft.created_by)
    offered = [
        [label for _value, label in administrator_client.get(address("test-design", one)).context["form"]["requires"]
         .field.choices]
        for one in (first, second)
    ]  # fmt: skip
    assert offered == [["none"], ["none", "Test 1"]]


# --- arms ------------------------------------------------------------------------------------------------------------


def test_arms_are_added_changed_and_removed(administrator_client: Client, administrator: User, test: Test) -> None:
    model = model_version(administrator, name="The model")
    page = address("test-arms", test)
    rows = administrator_client.get(page).context["rows"]
    assert len(rows.forms) == 2
    values = rows_sent(rows) | {
        "arm-0-title": "Without", "arm-1-title": "With", "arm-1-advice": "probability",
        "arm-1-model_sha256": model.sha256, "arm-1-wrong_per_cent": "10",
    }  # fmt: skip
    assert administrator_client.post(page, values).status_code == HTTPStatus.FOUND
    stored = [(arm.title, arm.advice, arm.model_sha256, arm.wrong_per_cent) for arm in arms_of(test)]
    assert stored == [("Without", "none", "", 0), ("With", "probability", model.sha256, 10)]
    rows = administrator_client.get(page).context["rows"]
    assert len(rows.forms) == 3
    assert administrator_client.post(page, rows_sent(rows)).status_code == HTTPStatus.FOUND
    assert [arm.title for arm in arms_of(test)] == ["Without", "With"]
    values = rows_sent(rows) | {"arm-0-title": ""}
    assert administrator_client.post(page, values).status_code == HTTPStatus.FOUND
    assert [arm.title for arm in arms_of(test)] == ["With"]


def test_an_arm_without_advice_keeps_no_model(administrator_client: Client, administrator: User, test: Test) -> None:
    model = model_version(administrator)
    page = address("test-arms", test)
    values = rows_sent(administrator_client.get(page).context["rows"]) | {
        "arm-0-title": "A", "arm-0-model_sha256": model.sha256, "arm-0-wrong_per_cent": "20",
    }  # fmt: skip
    assert administrator_client.post(page, values).status_code == HTTPStatus.FOUND
    assert [(arm.model_sha256, arm.wrong_per_cent) for arm in arms_of(test)] == [("", 0)]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"arm-0-title": "A", "arm-0-advice": "classes"}, "“A” gives advice: choose the model"),
        ({"arm-0-advice": "classes"}, "Name the arm."),
        ({"arm-0-title": "A", "arm-0-advice": "oracle"}, "is not one of the available choices"),
        ({"arm-0-title": "A", "arm-0-model_sha256": "ab" * 32}, "is not one of the available choices"),
        ({"arm-0-title": "A", "arm-0-wrong_per_cent": "101"}, "less than or equal to 100"),
        ({"arm-0-title": "x" * 101}, "at most 100 characters"),
    ],
)
def test_a_wrong_arm_is_named_and_not_stored(
    administrator_client: Client, test: Test, values: dict[str, str], sentence: str
) -> None:
    page = address("test-arms", test)
    answer = administrator_client.post(page, rows_sent(administrator_client.get(page).context["rows"]) | values)
    assert answer.status_code == HTTPStatus.OK
    assert sentence in text(answer.content)
    assert arms_of(test) == []


# --- stages and questions --------------------------------------------------------------------------------------------


def act(client: Client, test: Test, act: str, **places: int) -> Any:
    return client.post(address("test-stages", test), {"act": act, **places})


def texts(test: Test) -> list[list[str]]:
    return [[question.text for question in stage.questions] for stage in stages_of(test)]


def test_stages_and_questions_are_added_copied_moved_and_removed(administrator_client: Client, test: Test) -> None:
    assert texts(test) == [["Biopsy?"], ["Biopsy?", "Sure?"]]
    steps: list[tuple[str, dict[str, int], list[list[str]]]] = [
        ("up", {"stage": 2}, [["Biopsy?", "Sure?"], ["Biopsy?"]]),
        ("up", {"stage": 1, "question": 2}, [["Sure?", "Biopsy?"], ["Biopsy?"]]),
        ("up", {"stage": 1}, [["Sure?", "Biopsy?"], ["Biopsy?"]]),
        ("copy", {"stage": 1}, [["Sure?", "Biopsy?"], ["Biopsy?"], ["Sure?", "Biopsy?"]]),
        ("remove", {"stage": 2}, [["Sure?", "Biopsy?"], ["Sure?", "Biopsy?"]]),
        ("remove", {"stage": 2, "question": 1}, [["Sure?", "Biopsy?"], ["Biopsy?"]]),
        ("add", {}, [["Sure?", "Biopsy?"], ["Biopsy?"], []]),
    ]
    for name, places, expected in steps:
        assert act(administrator_client, test, name, **places).url == address("test-stages", test)
        assert texts(test) == expected, name
    assert "Stage 3 asks nothing." in " ".join(protocol.missing_from_test(test))


def test_an_act_on_what_is_gone_changes_nothing(administrator_client: Client, test: Test) -> None:
    before = texts(test)
    for places in ({"stage": 3}, {"stage": 2, "question": 3}, {}):
        answer = act(administrator_client, test, "remove", **places)
        assert answer.status_code == HTTPStatus.NOT_FOUND
        assert "changed meanwhile" in text(answer.content)
    for values in ({"act": "explode"}, {}, {"act": "remove", "stage": "0"}, {"act": "up", "stage": "x"}):
        assert administrator_client.post(address("test-stages", test), values).status_code == HTTPStatus.NOT_FOUND
    assert texts(test) == before


def test_a_stage_says_what_it_shows(administrator_client: Client, test: Test) -> None:
    page = address("test-stage", test, 2)
    values = {
        "instruction": "Now with the facts.",
        "modalities": ["clinical", "dermoscopy"],
        "shows_facts": "on",
        "shows_advice": "on",
    }
    assert administrator_client.post(page, values).url == address("test-stages", test)
    stage = stages_of(test)[1]
    assert (stage.instruction, stage.modalities) == ("Now with the facts.", ("clinical", "dermoscopy"))
    assert stage.shows_facts
    assert stage.shows_advice
    assert texts(test) == [["Biopsy?"], ["Biopsy?", "Sure?"]]
    overview = text(administrator_client.get(address("test-stages", test)).content)
    assert "clinical photograph, dermoscopy; age, sex, site and skin type; the arm's advice" in overview
    # An advice stage cannot come first.
    answer = act(administrator_client, test, "up", stage=2)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "The first stage shows no advice" in text(answer.content)
    assert stages_of(test)[1] == stage


def test_the_first_stage_offers_no_advice(administrator_client: Client, test: Test) -> None:
    page = address("test-stage", test, 1)
    assert "shows_advice" not in administrator_client.get(page).context["form"].fields
    assert administrator_client.post(page, {"shows_advice": "on"}).status_code == HTTPStatus.FOUND
    assert not stages_of(test)[0].shows_advice
    answer = administrator_client.post(page, {"modalities": ["x-ray"]})
    assert "x-ray is not one of the available choices" in text(answer.content)


def question_sent(client: Client, page: str) -> dict[str, Any]:
    context = client.get(page).context
    return sent(context["form"]) | rows_sent(context["rows"])


def test_a_question_is_saved_as_it_is(administrator_client: Client, test: Test) -> None:
    before = stages_of(test)
    for stage, question in ((1, 1), (2, 1), (2, 2)):
        page = address("test-question", test, stage, question)
        assert (
            administrator_client.post(page, question_sent(administrator_client, page)).status_code == HTTPStatus.FOUND
        )
    assert stages_of(test) == before


def test_questions_of_every_kind_are_written(administrator_client: Client, test: Test) -> None:
    page = address("test-question", test, 1, 0)
    base = question_sent(administrator_client, page) | {"is_required": "on"}
    classes = {
        "text": "Which?", "kind": "classes", "choice-0-label": "M", "choice-0-node": "malignant melanoma",
        "choice-0-sign": "positive", "choice-3-label": "N", "choice-3-node": "melanocytic-naevus",
        "choice-3-sign": "negative", "least": "5", "nodes": "no such diagnosis",
    }  # fmt: skip
    ranking = {"text": "Order?", "kind": "ranking", "most": "3", "nodes": "malignant\n\nbenign lesions\n"}
    scale = {
        "text": "Trust?", "kind": "scale", "least": "0", "most": "100", "least_label": "none", "most_label": "full",
        "choice-0-label": "left over",
    }  # fmt: skip
    free = {"text": "Why?", "kind": "text", "allows_cannot_assess": "on", "most": "9"}
    for values in (classes, ranking, scale, free):
        assert administrator_client.post(page, base | values).status_code == HTTPStatus.FOUND, values
    _biopsy, *made = stages_of(test)[0].questions
    assert made == [
        QuestionDraft("Which?", "classes", (
            ChoiceDraft("M", True, "melanoma"), ChoiceDraft("N", False, "melanocytic-naevus"),
        )),
        QuestionDraft("Order?", "ranking", most=3, nodes=("malignant", "benign")),
        QuestionDraft("Trust?", "scale", least=0, most=100, least_label="none", most_label="full"),
        QuestionDraft("Why?", "text", allows_cannot_assess=True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"text": ""}, "This field is required"),
        ({"text": "x" * 301}, "at most 300 characters"),
        ({"kind": "guess"}, "not one of the available choices"),
        ({"kind": "scale"}, "A scale needs a lowest and a highest value"),
        ({"kind": "scale", "least": "5", "most": "5"}, "the second above the first"),
        ({"kind": "ranking"}, "A ranking has from 1 to 10 diagnoses"),
        ({"kind": "ranking", "most": "3", "nodes": "melanomma"}, "melanomma"),
        ({"choice-0-label": "a", "choice-1-label": "a"}, "The answer “a” is given twice."),
        ({"choice-0-sign": "positive"}, "Write the answer's words."),
        ({"choice-0-label": "a", "choice-0-node": "melanomma"}, "melanomma"),
        ({"choice-0-label": "a", "choice-0-sign": "maybe"}, "not one of the available choices"),
        ({"choice-0-label": "x" * 101}, "at most 100 characters"),
    ],
)
def test_a_wrong_question_is_named_and_not_stored(
    administrator_client: Client, test: Test, values: dict[str, str], sentence: str
) -> None:
    before = stages_of(test)
    page = address("test-question", test, 1, 0)
    base = question_sent(administrator_client, page) | {"text": "New?"}
    answer = administrator_client.post(page, base | values)
    assert answer.status_code == HTTPStatus.OK
    assert sentence in text(answer.content)
    assert stages_of(test) == before


# --- a test of several questions on its own page ---------------------------------------------------------------------


def test_the_page_of_images_leaves_stages_alone(administrator_client: Client, test: Test) -> None:
    page = address("test-edit", test)
    before = stages_of(test)
    form = administrator_client.get(page).context["form"]
    assert "question" not in form.fields
    values = {"title": "Renamed", "positive_nodes": ["melanoma"], "negative_nodes": ["melanocytic-naevus"]}
    assert administrator_client.post(page, values).status_code == HTTPStatus.FOUND
    assert stages_of(test) == before
    assert Test.objects.get().title == "Renamed"


def test_a_simple_test_keeps_what_its_page_does_not_show(administrator_client: Client, test: Test) -> None:
    from dataclasses import replace

    stage = StageDraft([replace(BIOPSY, allows_cannot_assess=True)], "Look well.", shows_facts=True)
    drafting.save_test(test, stages=[stage], actor=test.study.created_by)
    values = {
        "title": "T", "positive_nodes": ["melanoma"], "negative_nodes": ["melanocytic-naevus"], "question": "Treat?",
        "choice_1": "No", "choice_2": "Yes", "positive_choice": "2",
    }  # fmt: skip
    assert administrator_client.post(address("test-edit", test), values).status_code == HTTPStatus.FOUND
    (stored,) = stages_of(test)
    assert (stored.instruction, stored.shows_facts) == ("Look well.", True)
    assert stored.questions[0] == replace(decision("Treat?", [("No", False), ("Yes", True)]), allows_cannot_assess=True)


# --- whole studies ---------------------------------------------------------------------------------------------------


def test_a_template_is_one_click(administrator_client: Client, administrator: User, images: ImageSet) -> None:
    study = Study.objects.create(title="S", seed=1, created_by=administrator)
    page = reverse("study-templates", args=[study.pk])
    shown = text(administrator_client.get(page).content)
    for title in ("Esteva 2017", "Haenssle two-level", "Tschandl batches with advice", "Jain crossover", "Simplified:"):
        assert title in shown
    assert "no model is registered yet" in shown
    answer = administrator_client.post(page, {"publication": "esteva", "images": images.pk}, follow=True)
    assert "“Melanoma against naevus, photographs” was added." in text(answer.content)
    assert study.tests.get().questions.count() == 1
    # A second click adds it again, as a test of its own.
    administrator_client.post(page, {"publication": "esteva", "images": images.pk})
    assert list(study.tests.values_list("position", flat=True)) == [1, 2]


def test_a_template_with_advice_takes_the_chosen_model(
    administrator_client: Client, administrator: User, images: ImageSet
) -> None:
    study = Study.objects.create(title="S", seed=1, created_by=administrator)
    page = reverse("study-templates", args=[study.pk])
    model = model_version(administrator, name="The model")
    values = {"publication": "tschandl", "images": images.pk, "model_sha256": model.sha256}
    assert administrator_client.post(page, values).status_code == HTTPStatus.FOUND
    assert study.tests.get().arms.get().model_sha256 == model.sha256
    answer = administrator_client.post(page, values | {"model_sha256": ""})
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "choose a model" in text(answer.content)
    for wrong in ({"publication": "nobody"}, {"images": "99999"}, {"model_sha256": "ab" * 32}):
        assert administrator_client.post(page, values | wrong).status_code == HTTPStatus.OK
    assert study.tests.count() == 1


def test_a_study_is_copied(administrator_client: Client, test: Test) -> None:
    address = reverse("study-copy", args=[test.study_id])
    answer = administrator_client.post(address, follow=True)
    assert "This is the copy" in text(answer.content)
    made = Study.objects.exclude(pk=test.study_id).get()
    assert stages_of(made.tests.get()) == stages_of(test)
    administrator_client.post(address)
    assert Study.objects.count() == 3


def uploaded(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("protocol.json", content, "application/json")


def test_a_protocol_is_downloaded_and_read_again(administrator_client: Client, test: Test) -> None:
    answer = administrator_client.get(reverse("study-protocol", args=[test.study_id]))
    assert answer["Content-Type"] == "application/json"
    assert answer["Content-Disposition"] == 'attachment; filename="melanoma-against-naevus.protocol.json"'
    assert json.loads(answer.content) == protocol.document(test.study)
    values = {"file": uploaded(answer.content), "keep_seed": "on"}
    shown = administrator_client.post(reverse("study-import"), values, follow=True)
    assert "The protocol was read" in text(shown.content)
    made = Study.objects.exclude(pk=test.study_id).get()
    assert made.seed == test.study.seed
    assert stages_of(made.tests.get()) == stages_of(test)


def test_the_file_of_an_open_study_is_its_frozen_protocol(researcher_client: Client, administrator: User) -> None:
    study = open_study(administrator)
    found = json.loads(researcher_client.get(reverse("study-protocol", args=[study.pk])).content)
    frozen = protocol.frozen(study)
    assert frozen is not None
    assert protocol.digest(found) == frozen.sha256


def test_a_file_that_cannot_be_read_is_explained(administrator_client: Client, test: Test) -> None:
    document = protocol.document(test.study)
    document["tests"][0]["image_set"]["sha256"] = "f" * 64
    for content, status, sentence in (
        (json.dumps(document).encode(), HTTPStatus.UNPROCESSABLE_ENTITY, f"“The set” (SHA-256 {'f' * 64}) is not"),
        (b"nonsense", HTTPStatus.CONFLICT, "The file is not JSON"),
        (b"", HTTPStatus.CONFLICT, "Choose the JSON file of a protocol."),
    ):
        answer = administrator_client.post(reverse("study-import"), {"file": uploaded(content)})
        assert answer.status_code == status
        assert sentence in text(answer.content)
    assert administrator_client.post(reverse("study-import")).status_code == HTTPStatus.CONFLICT
    assert Study.objects.count() == 1


# --- who, how and which ----------------------------------------------------------------------------------------------


def addresses(study: Study, test_pk: int) -> dict[str, str]:
    parts = {name: reverse(name, args=[study.pk, test_pk]) for name in ("test-design", "test-arms", "test-stages")}
    return {
        **parts,
        "test-stage": reverse("test-stage", args=[study.pk, test_pk, 1]),
        "test-question": reverse("test-question", args=[study.pk, test_pk, 1, 1]),
        "study-templates": reverse("study-templates", args=[study.pk]),
        "study-copy": reverse("study-copy", args=[study.pk]),
        "study-import": reverse("study-import"),
    }


ACTS = ("study-copy", "study-import")


def test_only_administrators_build(
    client: Client, outsider_client: Client, researcher_client: Client, test: Test
) -> None:
    every = addresses(test.study, test.pk)
    assert len(every) == 8
    for name, place in every.items():
        for method in ("get", "post"):
            assert getattr(client, method)(place).url.startswith(reverse("account_login")), name
            assert getattr(outsider_client, method)(place).status_code == HTTPStatus.NOT_FOUND, name
            assert getattr(researcher_client, method)(place).status_code == HTTPStatus.NOT_FOUND, name
    file = reverse("study-protocol", args=[test.study_id])
    assert client.get(file).url.startswith(reverse("account_login"))
    assert outsider_client.get(file).status_code == HTTPStatus.NOT_FOUND
    assert researcher_client.get(file).status_code == HTTPStatus.OK
    assert Study.objects.count() == 1


def test_wrong_methods_and_wrong_ids(administrator_client: Client, administrator: User, test: Test) -> None:
    for name, place in addresses(test.study, test.pk).items():
        wrong = administrator_client.get if name in ACTS else administrator_client.put
        assert wrong(place).status_code == HTTPStatus.METHOD_NOT_ALLOWED, name
    other = draft_study(administrator)
    for study, test_pk in ((Study(pk=99999), test.pk), (other, test.pk), (test.study, 99999)):
        for name, place in addresses(study, test_pk).items():
            if name.startswith("test-"):
                assert administrator_client.get(place).status_code == HTTPStatus.NOT_FOUND, name
                assert administrator_client.post(place).status_code == HTTPStatus.NOT_FOUND, name
    for more in ((0, 1), (3, 1), (1, 2), (2, 3)):
        assert administrator_client.get(address("test-question", test, *more)).status_code == HTTPStatus.NOT_FOUND
    for stage in (0, 3):
        assert administrator_client.get(address("test-stage", test, stage)).status_code == HTTPStatus.NOT_FOUND
    for name in ("study-templates", "study-protocol"):
        assert administrator_client.get(reverse(name, args=[99999])).status_code == HTTPStatus.NOT_FOUND
    assert administrator_client.post(reverse("study-copy", args=[99999])).status_code == HTTPStatus.NOT_FOUND


def test_an_open_study_is_not_built_any_more(administrator_client: Client, test: Test) -> None:
    protocol.open_study(test.study, actor=test.study.created_by)
    before = protocol.document(Study.objects.get())
    checked = 0
    for name, place in addresses(test.study, test.pk).items():
        if name in ACTS:
            continue
        for method in (administrator_client.get, administrator_client.post):
            answer = method(place)
            assert answer.status_code == HTTPStatus.CONFLICT, name
            assert "its protocol is frozen" in text(answer.content)
            checked += 1
    assert checked == 12
    assert protocol.document(Study.objects.get()) == before
