"""What is told: the model's output summed as the results sum it, neighbours that are no relatives, and wrong advice."""

import io
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.test import Client
from PIL import Image as PillowImage
from sklearn.metrics.pairwise import cosine_similarity

from readerstudy.accounts.models import User
from readerstudy.advice import known
from readerstudy.advice.turning import turned_classes, turned_probability
from readerstudy.images.models import Image, Reference
from readerstudy.readings.models import Item, Reading
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Arm, Case, CaseImage, Question, Test
from tests.advice.material import (
    MELANOMA,
    NAEVUS,
    advised,
    ask,
    certainty,
    pictures_of,
    reading_of,
    shown_events,
    truths,
)
from tests.conftest import signed_in
from tests.readings.conftest import item_at
from tests.readings.designed import current as shown_now
from tests.readings.designed import first_choices, go_on


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    for remembered in (known._known, known._is_same_skin, known._points):
        remembered.cache_clear()


Told = tuple[Client, Item, Case, str]


def first_told(test: Test) -> Told:
    """The reader at the advice on his first case, the case, and the piece."""
    reading = reading_of(test)
    go_on(reading)
    client, item = signed_in(reading.reader.user), item_at(reading, 1)
    response = ask(client, item)
    assert response.status_code == HTTPStatus.OK, response.content
    return client, item, item.case, response.content.decode()


def per_cents(piece: str) -> list[str]:
    return re.findall(r"<span>(\d+ %|–)</span>", piece)


def detail(item: Item) -> dict[str, Any]:
    (event,) = shown_events(item.reading)
    return event.detail


# --- probabilities ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wrong", "of"), [(0, lambda p: p), (100, lambda p: 1 - p)])
def test_the_probability_is_the_models_or_turned(administrator: User, wrong: int, of: Callable[[float], float]) -> None:
    _client, item, case, piece = first_told(advised(administrator, "probability", wrong=wrong))
    expected = of(certainty(case.number))
    assert per_cents(piece) == [f"{round(100 * expected)} %"]
    assert detail(item)["probability"] == pytest.approx(expected)
    assert detail(item)["wrong"] is bool(wrong)
    assert "melanoma" in piece
    assert "not a medical device" in piece
    assert "wrong" not in piece.lower()


def test_a_case_of_several_pictures_has_their_mean_as_in_the_results(administrator: User) -> None:
    test = advised(administrator, "probability")
    pictures = list(CaseImage.objects.filter(case__test=test).order_by("case__number"))
    pair = {pictures[0].case.number: pictures[1].image_id, pictures[1].case.number: pictures[0].image_id}
    for one in pictures[:2]:  # the first two cases lend each other their pictures
        CaseImage.objects.create(case=one.case, image_id=pair[one.case.number], position=2)
    reading = reading_of(test)
    client = signed_in(reading.reader.user)
    for position in range(1, 5):
        go_on(reading)
        piece = ask(client, item_at(reading, position)).content.decode()
        number = item_at(reading, position).case.number
        expected = (certainty(1) + certainty(2)) / 2 if number in pair else certainty(number)
        assert per_cents(piece) == [f"{round(100 * expected)} %"]
        go_on(reading)


def with_choices(test: Test) -> None:
    """The second stage asks for a class: naevus, melanoma, and one that the model has never heard of."""
    question = Question.objects.get(test=test, stage__position=2)
    Question.objects.filter(pk=question.pk).update(kind="classes")
    question.choices.all().delete()
    for position, (label, node) in enumerate(
        [("Mole", NAEVUS), ("Melanoma", MELANOMA), ("Fibroma", "dermatofibroma")], start=1
    ):
        question.choices.create(position=position, label=label, node=node, is_positive=node == MELANOMA)


@pytest.mark.parametrize("wrong", [0, 100])
def test_classes_are_the_choices_of_the_question(administrator: User, wrong: int) -> None:
    test = advised(administrator, "classes", wrong=wrong)
    with_choices(test)
    _client, _item, case, piece = first_told(test)
    p = certainty(case.number)
    values = [p, 1 - p] if wrong else [1 - p, p]  # the order is the question's
    assert re.findall("<dt>(.+?)</dt>", piece) == ["Mole", "Melanoma", "Fibroma"]
    assert per_cents(piece) == [f"{round(100 * value)} %" for value in values] + ["–"]


@pytest.mark.parametrize("wrong", [0, 100])
def test_without_such_a_question_classes_are_the_models_own(administrator: User, wrong: int) -> None:
    _client, _item, case, piece = first_told(advised(administrator, "classes", wrong=wrong))
    p = certainty(case.number)
    likeliest = "malignant melanoma" if (p > 0.5) != bool(wrong) else "melanocytic naevus"
    assert re.findall("<dt>(.+?)</dt>", piece)[0] == likeliest
    assert per_cents(piece) == [f"{round(100 * value)} %" for value in sorted([p, 1 - p], reverse=True)]


# --- wrong on purpose ------------------------------------------------------------------------------------------------


def test_turned_classes_change_sides_and_keep_their_numbers() -> None:
    sides = [True, False, True, False]
    assert turned_classes([0.6, 0.1, 0.25, 0.05], sides) == [0.1, 0.6, 0.25, 0.05]
    assert turned_classes([0.1, 0.2, 0.3, 0.4], sides) == [0.1, 0.2, 0.4, 0.3]
    # All on one side: with the second likeliest.
    assert turned_classes([0.1, 0.6, 0.3], [True, True, True]) == [0.1, 0.3, 0.6]
    assert turned_classes([0.1, 0.6, 0.3], [None, None, None]) == [0.1, 0.3, 0.6]
    # What the model does not know takes no part.
    assert turned_classes([None, 0.6, 0.4], [False, True, True]) == [None, 0.4, 0.6]
    assert turned_classes([None, 1.0], [False, True]) == [None, 1.0]
    assert (turned_probability(0.25), turned_probability(None)) == (0.75, None)


def test_wrong_advice_is_drawn_by_the_recorded_seed_and_differs_in_nothing_but_its_content(administrator: User) -> None:
    """Of four cases two: as drawn with the reading, from its seed; the pieces have one form."""
    test = advised(administrator, "probability", wrong=50)
    reading = reading_of(test)
    client, forms, wrong = signed_in(reading.reader.user), set(), []
    for item in reading.items.select_related("reading", "case"):
        go_on(reading)
        piece = ask(client, item).content.decode()
        p = certainty(item.case.number)
        told = 1 - p if item.advice_is_wrong else p
        assert per_cents(piece) == [f"{round(100 * told)} %"]
        plain = re.sub(r'value="[\d.]+"', "", piece).replace(per_cents(piece)[0], "")
        forms.add(plain)
        wrong.append(item.advice_is_wrong)
        go_on(reading)
    assert sorted(wrong) == [False, False, True, True]
    assert len(forms) == 1
    assert [event.detail["wrong"] for event in shown_events(reading)] == wrong


# --- neighbours ------------------------------------------------------------------------------------------------------


def neighbours(item: Item) -> list[str]:
    return [image for image, _diagnosis, _cosine in detail(item)["images"]]


def test_neighbours_are_the_nearest_by_cosine_with_their_own_sets_diagnoses(administrator: User) -> None:
    client, item, case, piece = first_told(advised(administrator, "neighbours"))
    arm = Arm.objects.get()
    images = list(Image.objects.filter(image_set=arm.neighbours_set).order_by("pk"))
    model = ModelVersion.objects.get(sha256=arm.model_sha256)
    own = known.features_of(model, case.images.values_list("pk", flat=True))
    alike = cosine_similarity(known.features_of(model, [image.pk for image in images]), own)[:, 0]
    order = np.argsort(-alike, kind="stable")[: known.SHOWN]
    assert neighbours(item) == [str(images[index].uuid) for index in order]
    names = [{MELANOMA: "malignant melanoma", NAEVUS: "melanocytic naevus"}[node] for node in truths(neighbours(item))]
    assert re.findall("<span>(.+?)</span>", piece) == names
    # Pictures: pixels under an address that tells nothing.
    for number in range(1, len(names) + 1):
        response = ask(client, item, number)
        assert (response.status_code, response["Content-Type"]) == (HTTPStatus.OK, "image/jpeg")
        assert "no-store" in response["Cache-Control"]
        assert "Content-Disposition" not in response
        assert not {"Last-Modified", "ETag"} & set(response.headers)
        picture = PillowImage.open(io.BytesIO(response.content))
        assert picture.size == (64, 48)
        assert not picture.getexif()
        assert "exif" not in picture.info
        assert "comment" not in picture.info
    assert ask(client, item, len(names) + 1).status_code == HTTPStatus.NOT_FOUND
    assert ask(client, item, 0).status_code == HTTPStatus.NOT_FOUND
    assert not re.search("|".join(neighbours(item)), piece)
    assert arm.neighbours_set is not None
    assert arm.neighbours_set.name not in piece


def test_no_neighbour_is_of_a_lesion_patient_or_picture_of_the_study(administrator: User) -> None:
    """Of any case, not only of the one that is read: its diagnosis would be told before it is asked for."""
    test = advised(administrator, "neighbours")
    arm = Arm.objects.get()
    everything = known.usable(test, arm)
    assert len(everything) == 16
    own = list(Reference.objects.filter(image__image_set=test.image_set).order_by("pk"))
    joined = list(Reference.objects.filter(image__image_set=arm.neighbours_set).order_by("pk")[:3])
    Reference.objects.filter(pk=joined[0].pk).update(patient_id=own[0].patient_id)
    Reference.objects.filter(pk=joined[1].pk).update(lesion_id=own[1].lesion_id, patient_id=own[1].patient_id)
    Image.objects.filter(pk=joined[2].image_id).update(pixels_sha256=own[2].image.pixels_sha256)
    left = known.usable(test, arm)
    assert set(everything) - set(left) == {one.image_id for one in joined}


def test_a_copy_of_any_case_is_no_neighbour(administrator: User) -> None:
    """However it was compressed, turned or made smaller; by the pictures, whatever their publishers say of them."""
    test = advised(administrator, "neighbours")
    arm = Arm.objects.get()
    cases = {image.pk: image for image in Image.objects.filter(pk__in=pictures_of(test))}
    copies = list(Image.objects.filter(image_set=arm.neighbours_set).order_by("pk"))
    model = ModelVersion.objects.get()
    alike = (
        known.unit(known.features_of(model, list(cases)))
        @ known.unit(known.features_of(model, [image.pk for image in copies])).T
    )
    chosen = [copies[int(index)] for index in alike.argmax(axis=1)]  # of each case the nearest
    for copy, case in zip(chosen, cases.values(), strict=True):
        with case.file.open("rb") as file:
            turned = PillowImage.open(file).convert("RGB").transpose(PillowImage.Transpose.ROTATE_90)
        buffer = io.BytesIO()
        turned.save(buffer, "JPEG", quality=80)
        copy.file.save("copy.jpg", ContentFile(buffer.getvalue()), save=True)
    reading = reading_of(test)
    client = signed_in(reading.reader.user)
    for item in reading.items.select_related("reading"):
        go_on(reading)
        assert ask(client, item).status_code == HTTPStatus.OK
        told = [image for image, _diagnosis, _cosine in shown_events(reading)[-1].detail["images"]]
        assert len(told) == known.SHOWN
        assert not {str(copy.uuid) for copy in chosen} & set(told)
        go_on(reading)


def test_wrong_neighbours_are_of_the_other_side_than_the_models(administrator: User) -> None:
    reading = reading_of(advised(administrator, "neighbours", wrong=100))
    client, told = signed_in(reading.reader.user), {}
    for item in reading.items.select_related("reading", "case"):
        go_on(reading)
        assert ask(client, item).status_code == HTTPStatus.OK
        event = shown_events(reading)[-1]
        told[item.case.number] = {node for _image, node, _cosine in event.detail["images"]}
        go_on(reading)
    assert told == {n: {NAEVUS if certainty(n) >= 0.5 else MELANOMA} for n in (1, 2, 3, 4)}


# --- saliency --------------------------------------------------------------------------------------------------------


def test_saliency_is_the_map_over_the_picture(administrator: User) -> None:
    client, item, _case, piece = first_told(advised(administrator, "saliency"))
    assert piece.count("<img") == 1
    response = ask(client, item, 1)
    assert response["Content-Type"] == "image/jpeg"
    overlay = np.asarray(PillowImage.open(io.BytesIO(response.content)).convert("RGB"), float)
    assert overlay.shape == (48, 64, 3)
    # The map is a ramp from left to right: more yellow (red without blue) there, grey where it is dark.
    yellow = (overlay[:, :, 0] - overlay[:, :, 2]).mean(axis=0)
    assert abs(yellow[:4].mean()) < 20
    assert yellow[-8:].mean() > 100
    assert yellow[:16].mean() < yellow[24:40].mean() < yellow[48:].mean()
    assert ask(client, item, 2).status_code == HTTPStatus.NOT_FOUND


# --- what is missing -------------------------------------------------------------------------------------------------


def test_advice_that_cannot_be_made_is_no_refusal(administrator: User) -> None:
    """Told to the script as a fault that is tried again; the plain page says so; nothing counts as shown."""
    test = advised(administrator, "probability")
    Arm.objects.update(model_sha256="a" * 64)
    reading = reading_of(test)
    go_on(reading)
    client = signed_in(reading.reader.user)
    assert ask(client, item_at(reading, 1)).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "The advice cannot be loaded" in client.get(f"/read/{reading.uuid}/").content.decode()
    assert list(Reading.objects.get(pk=reading.pk).events.all()) == []
    assert first_choices(shown_now(reading))  # the question stands
