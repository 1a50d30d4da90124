"""The pages and the API of models and runs: they work; wrong user, wrong method, wrong id, twice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from model_core.checkpoint import group_digest
from readerstudy.accounts.models import AuditEntry, User
from readerstudy.images.models import Image
from readerstudy.scoring import jobs
from readerstudy.scoring.models import Chunk, ModelVersion, ScoringRun
from tests.builders import checkpoint_metadata, model_version
from tests.scoring.steps import delivered, taken
from tests.scoring.test_registry import write_checkpoint

HTMX = {"HX-Request": "true"}


@pytest.fixture
def urls(model: ModelVersion, run: ScoringRun) -> dict[str, str]:
    return {
        "models": reverse("models"),
        "model": reverse("model", args=[model.pk]),
        "run": reverse("run", args=[run.pk]),
        "run-stop": reverse("run-stop", args=[run.pk]),
        "run-again": reverse("run-again", args=[run.pk]),
        "api-run": reverse("api-run", args=[run.pk]),
    }


# --- who may


def test_only_researchers_see_models_and_runs(
    urls: dict[str, str], administrator_client: Client, outsider_client: Client, run: ScoringRun
) -> None:
    assert len(urls) == 6
    for name, url in urls.items():
        for client in (administrator_client, outsider_client):
            assert client.get(url).status_code == 404, name
            assert client.post(url).status_code in ((404, 405) if name == "api-run" else (404,)), name
        anonymous = Client().get(url)
        if name == "api-run":
            assert anonymous.status_code == 403
        else:
            assert anonymous.status_code == 302
            assert anonymous["Location"].startswith(reverse("account_login"))
    run.refresh_from_db()
    assert run.state == "queued"


def test_what_is_not_there_is_not_found(researcher_client: Client) -> None:
    for name in ("model", "run", "api-run"):
        assert researcher_client.get(reverse(name, args=[987654])).status_code == 404, name
    for name in ("run-stop", "run-again"):
        assert researcher_client.post(reverse(name, args=[987654])).status_code == 404, name


def test_wrong_methods_are_refused(urls: dict[str, str], researcher_client: Client) -> None:
    for name in ("run", "api-run"):
        assert researcher_client.post(urls[name]).status_code == 405, name
    for name in ("run-stop", "run-again"):
        assert researcher_client.get(urls[name]).status_code == 405, name
    for name in ("models", "model"):
        assert researcher_client.delete(urls[name]).status_code == 405, name


# --- models


def upload(client: Client, content: bytes, *, name: str = "Fold 1", filename: str = "fold1.safetensors") -> Any:
    return client.post(reverse("models"), {"name": name, "file": SimpleUploadedFile(filename, content)})


@pytest.mark.parametrize("memory_limit", [0, 10**9])  # Django hands a small file over in memory, a large one on disk
def test_a_model_is_registered_once(
    researcher_client: Client, researcher: User, tmp_path: Path, settings: Any, memory_limit: int
) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = memory_limit
    content = write_checkpoint(tmp_path / "x.safetensors").read_bytes()
    response = upload(researcher_client, content)
    version = ModelVersion.objects.get()
    assert response["Location"] == reverse("model", args=[version.pk])
    assert (version.name, version.created_by) == ("Fold 1", researcher)
    again = researcher_client.get(upload(researcher_client, content, name="Fold one")["Location"])
    assert "registered before, under the name Fold 1" in again.content.decode()
    assert ModelVersion.objects.count() == 1


def test_what_is_wrong_with_a_checkpoint_stands_beside_its_field(researcher_client: Client) -> None:
    response = upload(researcher_client, b"no weights", filename="holiday.jpg")
    assert response.status_code == 400
    assert response.context["form"].errors == {"file": ["holiday.jpg is not a safetensors file, or it was cut off."]}
    assert "Fold 1" in response.content.decode()  # what was typed is still there
    empty = researcher_client.post(reverse("models"), {})
    assert empty.status_code == 400
    assert empty.context["form"].errors.keys() == {"name", "file"}
    odd = upload(researcher_client, b"no weights", filename="名" * 250 + ".safetensors")
    assert odd.context["form"].errors.keys() == {"file"}
    assert not ModelVersion.objects.exists()


def test_the_list_shows_each_model(researcher_client: Client, researcher: User) -> None:
    assert "No model is registered yet" in researcher_client.get(reverse("models")).content.decode()
    for name in ("Fold 1", "Fold 2"):
        model_version(researcher, name=name)
    page = researcher_client.get(reverse("models")).content.decode()
    assert "Fold 1" in page
    assert "Fold 2" in page
    assert "Made for a test." in page


def test_a_card_says_what_the_model_is(researcher_client: Client, urls: dict[str, str], model: ModelVersion) -> None:
    page = researcher_client.get(urls["model"]).content.decode()
    for text in ("Made for a test.", model.sha256, "inception_v3", "melanoma", "melanocytic naevus", "299", "squash",
                 "0.485, 0.456, 0.406", "Five images", "cannot be checked"):  # fmt: skip
        assert text in page, text
    assert "another taxonomy" not in page
    assert "Not a medical device" in page


def test_a_card_warns_of_another_taxonomy(researcher_client: Client, researcher: User) -> None:
    other = model_version(researcher)
    metadata = checkpoint_metadata().to_json()
    metadata["taxonomy_nodes"] = [["melanoma", "", "melanoma"], ["melanocytic-naevus", "", "naevus"]]
    metadata["classes"] = [
        {"id": node, "node": node, "diseases": [node], "n_images": 1} for node in ("melanoma", "melanocytic-naevus")
    ]
    from model_core.taxonomy import Taxonomy

    metadata["taxonomy_sha256"] = Taxonomy.from_json(metadata["taxonomy_nodes"]).sha256
    ModelVersion.objects.filter(pk=other.pk).update(metadata=metadata)
    page = researcher_client.get(reverse("model", args=[other.pk])).content.decode()
    assert "another taxonomy" in page


# --- runs


def test_a_run_shows_how_far_it_is(
    researcher_client: Client, urls: dict[str, str], run: ScoringRun, chunks: list[Chunk], images: list[Image]
) -> None:
    page = researcher_client.get(urls["run"]).content.decode()
    assert "0 of 5 images scored" in page
    assert 'hx-trigger="every 1s"' in page
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page
    assert "Stop the run" in page
    delivered(taken(chunks[0]), failures={images[0].pk: "The file is not a picture."})
    page = researcher_client.get(urls["run"]).content.decode()
    assert "1 of 5 images scored" in page
    assert "1 failed" in page
    assert "melanoma_0.png" in page
    assert "The file is not a picture." in page
    assert 'value="2" max="5"' in page


def test_the_fragment_is_fetched_alone_and_ends_with_the_whole_page(
    researcher_client: Client, urls: dict[str, str], run: ScoringRun, chunks: list[Chunk]
) -> None:
    fragment = researcher_client.get(urls["run"], headers=HTMX)
    assert "<html" not in fragment.content.decode()
    assert "every 1s" in fragment.content.decode()
    assert "HX-Refresh" not in fragment
    for chunk in chunks:
        delivered(taken(chunk))
    last = researcher_client.get(urls["run"], headers=HTMX)
    assert last["HX-Refresh"] == "true"
    assert "every 1s" not in last.content.decode()
    whole = researcher_client.get(urls["run"]).content.decode()
    assert "5 of 5 images scored" in whole
    assert "every 1s" not in whole
    assert "refresh" not in whole
    assert "Stop the run" not in whole
    assert "Try the remaining" not in whole


def test_a_run_that_nobody_takes_asks_for_a_worker(
    researcher_client: Client, urls: dict[str, str], run: ScoringRun
) -> None:
    hint = "No worker has taken this run yet"
    assert hint not in researcher_client.get(urls["run"]).content.decode()
    ScoringRun.objects.filter(pk=run.pk).update(created_at=timezone.now() - timezone.timedelta(minutes=1))
    assert hint in researcher_client.get(urls["run"]).content.decode()


def test_stopping_and_going_on(
    researcher_client: Client, urls: dict[str, str], run: ScoringRun, chunks: list[Chunk], researcher: User
) -> None:
    delivered(taken(chunks[0]))
    response = researcher_client.post(urls["run-stop"])
    assert response["Location"] == urls["run"]
    run.refresh_from_db()
    assert run.state == "stopped"
    twice = researcher_client.post(urls["run-stop"], follow=True).content.decode()
    assert "had ended before it could be stopped" in twice
    assert "Try the remaining images again" in twice
    assert AuditEntry.objects.filter(action="run.stopped").count() == 1
    again = researcher_client.post(urls["run-again"])
    new = ScoringRun.objects.exclude(pk=run.pk).get()
    assert again["Location"] == reverse("run", args=[new.pk])
    assert (new.n_images, new.n_present, new.requested_by) == (5, 2, researcher)
    left = set(run.run_images.exclude(chunk=chunks[0]).values_list("image_id", flat=True))
    assert set(new.run_images.values_list("image_id", flat=True)) == left
    assert researcher_client.post(urls["run-again"])["Location"] == again["Location"]  # the same request, the same run
    assert ScoringRun.objects.count() == 2


def test_a_failed_run_says_why(
    researcher_client: Client, urls: dict[str, str], run: ScoringRun, chunks: list[Chunk]
) -> None:
    for chunk in chunks:
        claimed = taken(chunk)
        jobs.fail(claimed, lease=claimed.lease, reason="The weights are not in storage.")
    page = researcher_client.get(urls["run"]).content.decode()
    assert "Not one image could be scored. The weights are not in storage." in page


def test_a_run_that_found_all_done_says_so(
    researcher_client: Client, chunks: list[Chunk], model: ModelVersion, researcher: User
) -> None:
    for chunk in chunks:
        delivered(taken(chunk))
    again = jobs.request_run(model_version=model, images=Image.objects.all(), label="x", requested_by=researcher)
    page = researcher_client.get(reverse("run", args=[again.pk])).content.decode()
    assert "Every image had been scored by this model before." in page
    refused = researcher_client.post(reverse("run-again", args=[again.pk]), follow=True)
    assert "There is no image to score" in refused.content.decode()


def test_a_run_on_training_images_warns(researcher_client: Client, researcher: User, images: list[Image]) -> None:
    seen = [group_digest("patient", images[i].reference.patient_id) for i in (0, 1)]
    model = model_version(researcher, groups={"patients": seen})
    run = jobs.request_run(model_version=model, images=Image.objects.all(), label="x", requested_by=researcher)
    page = researcher_client.get(reverse("run", args=[run.pk])).content.decode()
    assert "2 of the 5 images are known to the model from its training" in page
    unseen = jobs.request_run(model_version=model, images=[images[4].pk], label="x", requested_by=researcher)
    page = researcher_client.get(reverse("run", args=[unseen.pk])).content.decode()
    assert "known to the model" not in page
    assert "cannot be checked" not in page


def test_many_failures_are_cut_off_with_their_number(
    researcher_client: Client, urls: dict[str, str], run: ScoringRun, chunks: list[Chunk],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("readerstudy.scoring.views.FAILURES_SHOWN", 2)
    for chunk in chunks:
        claimed = taken(chunk)
        jobs.fail(claimed, lease=claimed.lease, reason="No.")
    page = researcher_client.get(urls["run"]).content.decode()
    assert page.count("<td>No.</td>") == 2
    assert "and 3 more" in page


def test_the_number_of_queries_does_not_grow_with_the_run(
    researcher_client: Client,
    urls: dict[str, str],
    chunks: list[Chunk],
    django_assert_max_num_queries: Callable[..., Any],
) -> None:
    for chunk in chunks:
        claimed = taken(chunk)
        jobs.fail(claimed, lease=claimed.lease, reason="No.")
    with django_assert_max_num_queries(8):
        researcher_client.get(urls["run"])


def test_the_api_tells_the_same(
    researcher_client: Client, urls: dict[str, str], run: ScoringRun, chunks: list[Chunk], images: list[Image]
) -> None:
    delivered(taken(chunks[0]), failures={images[0].pk: "The file is not a picture."})
    content = researcher_client.get(urls["api-run"]).json()
    assert content.keys() == {
        "id", "label", "model", "state", "error", "n_images", "n_present", "in_training", "created_at", "started_at",
        "finished_at", "progress", "failures",
    }  # fmt: skip
    assert content["state"] == "running"
    assert content["model"]["sha256"] == run.model_version.sha256
    progress = content["progress"]
    assert (progress["done"], progress["failed"], progress["total"]) == (1, 1, 5)
    assert progress["images_per_second"] > 0
    assert content["failures"] == [{"image": str(images[0].uuid), "error": "The file is not a picture."}]
