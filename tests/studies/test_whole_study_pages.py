"""Templates, copy, export and import; and who may use the builder, in which state, by which method."""

import json
from http import HTTPStatus

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.images.models import ImageSet
from readerstudy.studies import protocol
from readerstudy.studies.drafts import stages_of
from readerstudy.studies.models import Study, Test
from tests.builders import draft_study, model_version, open_study
from tests.studies.building import address, text

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
        (b"nonsense", HTTPStatus.CONFLICT, ".json” was not read: The file is not JSON"),
        (b"{}", HTTPStatus.UNPROCESSABLE_ENTITY, "it lacks “format”"),
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
