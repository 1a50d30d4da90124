"""The pages of a test's stages and questions: they work, and refuse what is wrong."""

from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client

from readerstudy.studies import drafting, protocol
from readerstudy.studies.drafts import ChoiceDraft, QuestionDraft, StageDraft, decision, stages_of
from readerstudy.studies.models import Test
from tests.studies.building import BIOPSY, address, rows_sent, sent, text

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
