"""The study builder's pages: they work, for administrators; a frozen study refuses every change."""

import re
from http import HTTPStatus

import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.images.models import Confirmation, ImageSet, Reference
from readerstudy.studies import protocol
from readerstudy.studies.models import Case, Choice, ProtocolVersion, Study, Test
from tests.builders import draft_study, image_set, open_study

TEST_VALUES = {
    "title": "Melanoma against naevus",
    "positive_nodes": ["melanoma"],
    "negative_nodes": ["melanocytic-naevus"],
    "modality": "",
    "sample_size": "5",
    "sample_positives": "2",
    "question": "Biopsy or not?",
    "choice_1": "Reassure",
    "choice_2": "Biopsy",
    "positive_choice": "2",
}

PLAN_VALUES = {
    "endpoint": "sensitivity",
    "method": "obuchowski-rockette, readers and cases random",
    "hypothesis": "superiority",
    "margin": "0",
    "alpha": "0.05",
    "threshold_origin": "stated beforehand",
    "threshold": "0.5",
    "multiplicity": "holm",
    "missing": "complete readers",
    "average": "every reader",
    "secondary": ["auc"],
}


@pytest.fixture
def images(administrator: User) -> ImageSet:
    return image_set(administrator, diagnoses=["melanoma"] * 3 + ["melanocytic-naevus"] * 4, name="The set")


@pytest.fixture
def draft(administrator: User, images: ImageSet) -> Study:
    return draft_study(administrator, image_sets=[images])


def add_address(study: Study, images: ImageSet) -> str:
    return f"{reverse('test-add', args=[study.pk])}?images={images.pk}"


def text(content: bytes) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", content.decode()))


# --- the way of a coordinator ----------------------------------------------------------------------------------------


def test_from_a_title_to_an_open_study(administrator_client: Client, images: ImageSet) -> None:
    answer = administrator_client.post(reverse("studies"), {"title": "Our study"}, follow=True)
    study = Study.objects.get()
    assert study.seed > 0
    page = text(answer.content)
    assert "5 things are missing" in page
    assert "Write the consent text." in page

    edit = reverse("study-edit", args=[study.pk])
    offered = administrator_client.get(edit).context["form"].initial["consent_text"]
    assert "Taking part is voluntary" in offered
    values = {
        "title": "Ours",
        "description": "Lesions.",
        "contact": "Dr. E",
        "consent_text": "Yes\r\nI do",
        "seed": "7",
    }
    assert administrator_client.post(edit, values).status_code == HTTPStatus.FOUND
    study.refresh_from_db()
    assert (study.title, study.consent_text, study.seed) == ("Ours", "Yes\nI do", 7)

    answer = administrator_client.post(reverse("study-plan", args=[study.pk]), PLAN_VALUES, follow=True)
    assert "The analysis plan" not in text(answer.content)
    assert "Obuchowski-Rockette, readers and cases random; two-sided alpha 0.05" in text(answer.content)

    answer = administrator_client.post(add_address(study, images), TEST_VALUES, follow=True)
    assert "Nothing is missing" in text(answer.content)
    assert "3 )" not in text(answer.content)
    test = study.tests.get()
    assert (test.sample_size, test.sample_positives, test.position) == (5, 2, 1)
    choices = Choice.objects.filter(question__test=test).values_list("position", "label", "is_positive")
    assert list(choices) == [(1, "Reassure", False), (2, "Biopsy", True)]

    answer = administrator_client.post(reverse("study-open", args=[study.pk]), follow=True)
    frozen = ProtocolVersion.objects.get(study=study)
    assert frozen.sha256 in text(answer.content)
    assert "5 drawn, of these 2 positive" in text(answer.content)
    assert "Invite readers" in text(answer.content)
    actions = AuditEntry.objects.values_list("action", flat=True)
    assert list(actions) == ["study.created", "study.edited", "plan.written", "test.added", "study.opened"]


def test_closing_and_unblinding(administrator_client: Client, administrator: User) -> None:
    study = open_study(administrator)
    page = administrator_client.post(reverse("study-close", args=[study.pk]), follow=True)
    assert "The study is closed." in text(page.content)
    page = administrator_client.post(reverse("study-unblind", args=[study.pk]), follow=True)
    assert "Unblinded" in text(page.content)
    study.refresh_from_db()
    assert study.unblinded_at is not None


def test_a_test_is_changed_and_removed(administrator_client: Client, draft: Study) -> None:
    test = draft.tests.get()
    address = reverse("test-edit", args=[draft.pk, test.pk])
    form = administrator_client.get(address).context["form"]
    assert form.initial["positive_nodes"] == ["melanoma"]
    assert form.initial["positive_choice"] == 1
    assert administrator_client.post(address, {**TEST_VALUES, "title": "Renamed"}).status_code == HTTPStatus.FOUND
    test.refresh_from_db()
    assert (test.title, test.questions.count()) == ("Renamed", 1)
    delete = reverse("test-delete", args=[draft.pk, test.pk])
    assert administrator_client.post(delete).status_code == HTTPStatus.FOUND
    assert not draft.tests.exists()
    assert administrator_client.post(delete).status_code == HTTPStatus.NOT_FOUND


def test_a_preset_fills_in_what_the_set_allows(administrator_client: Client, administrator: User) -> None:
    big = image_set(administrator, diagnoses=["melanoma"] * 33 + ["melanocytic-naevus"] * 97)
    study = Study.objects.create(title="S", seed=1, created_by=administrator)
    form = administrator_client.get(f"{add_address(study, big)}&start=melanoma&question=malignant").context["form"]
    assert form.initial["positive_nodes"] == ["melanoma"]
    assert form.initial["negative_nodes"] == ["melanocytic-naevus"]
    assert (form.initial["sample_size"], form.initial["sample_positives"]) == (130, 33)
    assert (str(form.initial["choice_1"]), form.initial["histopathology_only"]) == ("Malignant", True)
    # The keratinocyte test finds none of its diagnoses here, and leaves them to be chosen.
    form = administrator_client.get(f"{add_address(study, big)}&start=keratinocyte").context["form"]
    assert form.initial["positive_nodes"] == form.initial["negative_nodes"] == []
    assert form.initial["sample_size"] is None


def test_counting_saves_nothing_and_shows_the_numbers(
    administrator_client: Client, draft: Study, images: ImageSet
) -> None:
    values = {"positive_nodes": ["malignant"], "negative_nodes": ["benign"], "count": "1"}
    page = administrator_client.post(add_address(draft, images), values)
    assert page.status_code == HTTPStatus.OK
    assert "3 positive and 4 negative images fit." in text(page.content)
    assert "errorlist" not in page.content.decode()
    assert draft.tests.count() == 1


def test_the_page_says_what_is_not_proven_and_what_was_left_out(administrator_client: Client, draft: Study) -> None:
    references = Reference.objects.filter(diagnosis="melanocytic-naevus")
    first, second, third = references[:3]
    Reference.objects.filter(pk=first.pk).update(confirmation=Confirmation.FOLLOW_UP)
    Reference.objects.filter(pk__in=[second.pk, third.pk]).update(lesion_id="L", patient_id="P")
    page = text(administrator_client.get(reverse("study", args=[draft.pk])).content)
    assert "Not biopsy-proven: of 6 images, 1 are not confirmed by histopathology." in page
    assert "1 image left out because another of the same lesion is in" in page


def test_a_change_behind_the_protocols_back_is_shown(administrator_client: Client, administrator: User) -> None:
    study = open_study(administrator)
    address = reverse("study", args=[study.pk])
    assert "no longer agrees" not in text(administrator_client.get(address).content)
    study.tests.update(positive_nodes=["malignant"])
    assert "no longer agrees with the frozen protocol in: tests.0.positive" in text(
        administrator_client.get(address).content
    )


# --- errors stand beside their fields --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({"sample_size": "7", "sample_positives": "4"}, "sample_positives", "“The set” has 3 positive images, 4 were"),
        ({"sample_size": "7", "sample_positives": "2"}, "sample_size", "“The set” has 4 negative images, 5 were"),
        ({"sample_size": "8", "sample_positives": ""}, "sample_size", "“The set” has 7 images that fit, 8 were"),
        ({"sample_size": "", "sample_positives": "2"}, "sample_size", "how many cases are drawn in all"),
        ({"sample_size": "5", "sample_positives": "5"}, "sample_positives", "Between 1 and 4"),
        ({"sample_size": "0", "sample_positives": ""}, "sample_size", "At least one"),
        ({"negative_nodes": ["melanoma"]}, "negative_nodes", "both positive and negative"),
        ({"positive_nodes": ["malignant"], "negative_nodes": ["melanoma"]}, "negative_nodes", "both positive"),
        ({"negative_nodes": ["nevvus"]}, "negative_nodes", "“nevvus” is not a diagnosis of this image set."),
        ({"negative_nodes": ["seborrhoeic-keratosis"]}, "negative_nodes", "not a diagnosis of this image set"),
        ({"positive_nodes": []}, "positive_nodes", "required"),
        ({"modality": "dermoscopy"}, "positive_nodes", "No positive image fits"),
        ({"choice_2": "Reassure"}, "choice_2", "must differ"),
        ({"positive_choice": "3"}, "positive_choice", "3 is not one of the available choices"),
        ({"title": ""}, "title", "required"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    administrator_client: Client, draft: Study, images: ImageSet, values: dict[str, object], field: str, sentence: str
) -> None:
    page = administrator_client.post(add_address(draft, images), {**TEST_VALUES, **values})
    assert page.status_code == HTTPStatus.OK
    assert sentence in " ".join(page.context["form"].errors[field]), page.context["form"].errors
    assert sentence in text(page.content).replace("&#x27;", "'")
    assert draft.tests.count() == 1


def test_a_study_needs_a_title(administrator_client: Client) -> None:
    page = administrator_client.post(reverse("studies"), {"title": " "})
    assert "required" in text(page.content)
    assert not Study.objects.exists()


def test_an_unknown_image_set_asks_again(administrator_client: Client, draft: Study) -> None:
    page = administrator_client.get(reverse("test-add", args=[draft.pk]), {"images": "99999"})
    assert page.status_code == HTTPStatus.OK
    assert page.context.get("form") is None


def test_without_an_image_set_the_way_to_one_is_shown(administrator_client: Client, administrator: User) -> None:
    study = Study.objects.create(title="S", seed=1, created_by=administrator)
    page = administrator_client.get(reverse("test-add", args=[study.pk]))
    assert reverse("set-upload") in page.content.decode()


# --- a frozen study --------------------------------------------------------------------------------------------------


def test_an_open_study_refuses_every_change(
    administrator_client: Client, administrator: User, images: ImageSet
) -> None:
    study = open_study(administrator, image_sets=[images])
    test = study.tests.get()
    before = protocol.digest(protocol.document(study))
    edit = {"title": "New", "description": "New", "contact": "New", "consent_text": "New", "seed": "1"}
    attempts: list[tuple[str, dict[str, object]]] = [
        (reverse("study-edit", args=[study.pk]), edit),
        (reverse("study-plan", args=[study.pk]), PLAN_VALUES),
        (add_address(study, images), TEST_VALUES),
        (reverse("test-edit", args=[study.pk, test.pk]), TEST_VALUES),
        (reverse("test-delete", args=[study.pk, test.pk]), {}),
        (reverse("study-open", args=[study.pk]), {}),
        (reverse("study-unblind", args=[study.pk]), {}),
    ]
    assert len(attempts) == 7
    for address, values in attempts:
        page = administrator_client.post(address, values)
        assert page.status_code == HTTPStatus.CONFLICT, address
        assert "frozen" in text(page.content) or "closed" in text(page.content)
    study.refresh_from_db()
    assert study.title == "Melanoma against naevus"
    assert protocol.digest(protocol.document(study)) == before
    assert protocol.changed(study) == []
    assert ProtocolVersion.objects.count() == 1
    assert Case.objects.count() == 7
    assert administrator_client.get(reverse("study-edit", args=[study.pk])).status_code == HTTPStatus.CONFLICT


def test_opening_with_parts_missing_lists_them(administrator_client: Client, administrator: User) -> None:
    study = Study.objects.create(title="Empty", seed=1, created_by=administrator)
    page = administrator_client.post(reverse("study-open", args=[study.pk]))
    assert page.status_code == HTTPStatus.CONFLICT
    for part in ("Write the consent text.", "Add a test.", "whom readers can ask"):
        assert part in text(page.content)
    study.refresh_from_db()
    assert study.state == Study.State.DRAFT


def test_closing_twice_is_refused(administrator_client: Client, administrator: User) -> None:
    study = open_study(administrator)
    address = reverse("study-close", args=[study.pk])
    assert administrator_client.post(address).status_code == HTTPStatus.FOUND
    assert administrator_client.post(address).status_code == HTTPStatus.CONFLICT
    assert AuditEntry.objects.filter(action="study.closed").count() == 1


# --- who, how and which ----------------------------------------------------------------------------------------------


def addresses(study: Study, test: Test) -> dict[str, str]:
    one = {name: reverse(name, args=[study.pk]) for name in ("study", "study-edit", "study-plan", "test-add")}
    acts = {name: reverse(name, args=[study.pk]) for name in ("study-open", "study-close", "study-unblind")}
    tests = {name: reverse(name, args=[study.pk, test.pk]) for name in ("test-edit", "test-delete")}
    return {"studies": reverse("studies"), **one, **acts, **tests}


ACTS = ("study-open", "study-close", "study-unblind", "test-delete")


def test_a_stranger_signs_in_and_an_outsider_finds_nothing(
    client: Client, outsider_client: Client, draft: Study
) -> None:
    every = addresses(draft, draft.tests.get())
    assert len(every) == 10
    for address in every.values():
        for method in ("get", "post"):
            assert getattr(client, method)(address).url.startswith(reverse("account_login"))
            assert getattr(outsider_client, method)(address).status_code == HTTPStatus.NOT_FOUND, address
    api = reverse("api-study", args=[draft.pk])
    assert client.get(api).status_code == HTTPStatus.FORBIDDEN
    assert outsider_client.get(api).status_code == HTTPStatus.NOT_FOUND


def test_a_researcher_looks_and_changes_nothing(researcher_client: Client, draft: Study) -> None:
    every = addresses(draft, draft.tests.get())
    for name, address in every.items():
        expected = HTTPStatus.OK if name in ("studies", "study") else HTTPStatus.NOT_FOUND
        assert researcher_client.get(address).status_code == expected, name
        if name != "study":
            assert researcher_client.post(address, {"title": "Mine"}).status_code == HTTPStatus.NOT_FOUND, name
    page = researcher_client.get(every["study"]).content.decode()
    assert "<form" not in page.split("<main")[1].split("</main>")[0]
    assert Study.objects.count() == 1


def test_acts_are_posted_and_pages_are_not(administrator_client: Client, draft: Study) -> None:
    every = addresses(draft, draft.tests.get())
    for name in ACTS:
        assert administrator_client.get(every[name]).status_code == HTTPStatus.METHOD_NOT_ALLOWED, name
    assert administrator_client.post(every["study"]).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert administrator_client.put(every["study-edit"]).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert administrator_client.post(reverse("api-study", args=[draft.pk])).status_code == HTTPStatus.METHOD_NOT_ALLOWED


def test_what_is_not_there_is_not_found(administrator_client: Client, administrator: User, draft: Study) -> None:
    other = draft_study(administrator)
    nowhere = Study(pk=99999)
    test = draft.tests.get()
    assert len(addresses(nowhere, test)) == 10
    for name, address in addresses(nowhere, test).items():
        if name != "studies":
            method = administrator_client.post if name in ACTS else administrator_client.get
            assert method(address).status_code == HTTPStatus.NOT_FOUND, name
    # A test of another study.
    for name in ("test-edit", "test-delete"):
        assert administrator_client.post(reverse(name, args=[other.pk, test.pk])).status_code == HTTPStatus.NOT_FOUND


def test_an_act_needs_the_token_against_forgery(administrator: User, draft: Study) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator)
    assert client.post(reverse("study-open", args=[draft.pk])).status_code == HTTPStatus.FORBIDDEN
    draft.refresh_from_db()
    assert draft.state == Study.State.DRAFT


def test_the_protocol_as_json(administrator_client: Client, researcher_client: Client, administrator: User) -> None:
    draft = draft_study(administrator)
    assert administrator_client.get(reverse("api-study", args=[draft.pk])).json()["protocol"] is None
    study = open_study(administrator)
    found = researcher_client.get(reverse("api-study", args=[study.pk])).json()
    assert set(found) == {"id", "title", "state", "opened_at", "closed_at", "unblinded_at", "protocol", "versions"}
    assert found["protocol"]["sha256"] == protocol.digest(found["protocol"]["document"])
    assert len(found["protocol"]["document"]["tests"][0]["cases"]) == 7
