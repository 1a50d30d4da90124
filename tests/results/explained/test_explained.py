"""What the model sees in the cases: layout and maps, their figures, page, files and request; for whom and for what."""

import csv
import io

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image as PillowImage

from readerstudy.accounts.models import User
from readerstudy.images.models import Image
from readerstudy.images.truth import taxonomy
from readerstudy.results.explained.figures import layout_figure
from readerstudy.results.explained.numbers import embedding, first_of_each, spread
from readerstudy.results.export import files_of
from readerstudy.results.tables.cases import case_table
from readerstudy.results.tables.explained import features_of
from readerstudy.scoring.models import Features, SaliencyMap, ScoringRun
from readerstudy.scoring.outcomes import drawn_map
from tests.conftest import signed_in
from tests.results import made
from tests.results.conftest import Worked


@pytest.fixture
def seen(worked: Worked) -> Worked:
    """Features in two far groups, by diagnosis, and a map of every case but the last; unblinded."""
    made.unblind(worked.study)
    chance = np.random.default_rng(1)
    for number, case in enumerate(worked.test.cases.order_by("number")):
        image = case.images.get()
        centre = 20.0 * (image.reference.diagnosis == "melanoma")
        values = (centre + chance.normal(size=16)).astype("<f4")
        Features.objects.create(image=image, model_version=worked.model, values=values.tobytes())
        if number < 9:
            png, white = drawn_map(np.full((48, 64), number, np.float32))
            SaliencyMap.objects.create(
                image=image, model_version=worked.model, target="melanoma", probability=0.5, png=png, brightest=white
            )
    return worked


def address(worked: Worked, name: str = "results-explained", *more: object) -> str:
    return reverse(name, args=[worked.study.pk, worked.test.pk, *more])


def test_the_layout_keeps_far_groups_apart_and_is_the_same_again(seen: Worked) -> None:
    cases = case_table(seen.test)
    features = features_of(seen.model, cases)
    assert features.shape == (10, 16)
    found, again = (embedding(cases, taxonomy(), features) for _ in range(2))
    assert found is not None
    assert again is not None
    assert (found.points == again.points).all()
    assert found.groups == ("benign melanocytic lesions", "malignant melanoma")
    assert (found.group == cases.truth).all()
    far = np.linalg.norm(found.points[:, None] - found.points[None], axis=2)
    nearest = np.argsort(far + np.diag(np.full(10, np.inf)), axis=1)[:, 0]
    assert (cases.truth[nearest] == cases.truth).all()
    features[3] = np.nan
    partly = embedding(cases, taxonomy(), features)
    assert partly is not None
    assert (partly.n, np.isnan(partly.points[3]).all()) == (9, True)
    assert 3 not in partly.insets
    assert embedding(cases, taxonomy(), features[:, :0]) is None


def test_the_figure_has_a_mark_for_each_case_and_no_other(seen: Worked) -> None:
    cases = case_table(seen.test)
    found = embedding(cases, taxonomy(), features_of(seen.model, cases))
    assert found is not None
    figure = layout_figure(found, dict.fromkeys(found.insets, "data:image/png;base64,AA=="))
    numbers = sorted(number for trace in figure.data for number in trace.customdata)
    assert numbers == sorted(cases.numbers.tolist())
    assert [trace.name for trace in figure.data] == [
        "benign melanocytic lesions (n\u00a0=\u00a06)", "malignant melanoma (n\u00a0=\u00a04)",
    ]  # fmt: skip
    assert len(figure.layout.images) == len(found.insets) == 8
    drawn = {n: (x, y) for t in figure.data for n, x, y in zip(t.customdata, t.x, t.y, strict=True)}
    placed = np.array([drawn[number] for number in found.numbers.tolist()])
    one, other = placed[1:] - placed[:-1], found.points[1:] - found.points[:-1]
    scale = np.abs(one[:, 0]).max() / np.abs(other[:, 0]).max()
    assert one == pytest.approx(other * [scale, -scale])  # moved and scaled alike in both directions, y downwards


def test_pictures_are_chosen_by_a_rule() -> None:
    """On a line at 0, 1, 2, 10: the mean is 3.25, next to it 2; then 10, then 0, then 1."""
    points = np.array([[0.0, 0], [1, 0], [2, 0], [10, 0], [np.nan, np.nan]])
    assert spread(points, 3) == (2, 3, 0)
    assert spread(points, 8) == (2, 3, 0, 1)
    assert first_of_each([0, 0, 1, 1, 0], [True, True, False, True, True], 3) == (0, 3, 1)


def test_the_page_its_plates_and_maps(seen: Worked, researcher_client: Client) -> None:
    page = researcher_client.get(address(seen)).content.decode()
    assert "1 of 10 cases lacks features or a saliency map." in page
    assert 'id="figure-layout"' in page
    assert 'id="figure-saliency"' in page
    assert page.count("Saliency map of case") == 9
    assert " style=" not in page
    response = researcher_client.get(address(seen, "results-saliency", 1))
    assert response["Content-Type"] == "image/png"
    assert PillowImage.open(io.BytesIO(response.content)).size == (64, 48)
    for name in ("layout", "saliency"):
        figure = researcher_client.get(address(seen, "results-explained-figure", name, "html"))
        assert figure.status_code == 200
        assert "data:image" in figure.content.decode()
    for wrong in ((10,), (999,)):
        assert researcher_client.get(address(seen, "results-saliency", *wrong)).status_code == 404
    assert researcher_client.get(address(seen, "results-explained-figure", "nothing", "html")).status_code == 404


def test_only_who_may_see_the_numbers(
    worked: Worked, researcher_client: Client, administrator_client: Client, client: Client
) -> None:
    places = [
        address(worked), address(worked, "results-saliency", 1),
        address(worked, "results-explained-figure", "layout", "html"),
        reverse("results-checklists", args=[worked.study.pk]),
        reverse("results-checklist", args=[worked.study.pk, "claim", "md"]),
    ]  # fmt: skip
    request = address(worked, "results-explain")
    reader = signed_in(worked.readers[0].user)
    for place in places:
        assert researcher_client.get(place).status_code == 404, place  # still blinded
        for who in (administrator_client, reader):
            assert who.get(place).status_code == 404, place
        assert client.get(place).status_code == 302, place
        assert researcher_client.post(place).status_code == 405, place
    for who in (researcher_client, administrator_client, reader):
        assert who.post(request).status_code == 404
    assert not ScoringRun.objects.exists()


def test_maps_are_asked_for_once(worked: Worked, researcher: User, researcher_client: Client) -> None:
    made.unblind(worked.study)
    for _time in range(2):
        response = researcher_client.post(address(worked, "results-explain"), {"model": worked.model.pk})
        assert response["Location"] == f"{address(worked)}?model={worked.model.pk}"
    assert sorted(ScoringRun.objects.values_list("kind", "n_images")) == [("features", 10), ("saliency", 10)]
    assert "a worker is at it" in researcher_client.get(address(worked)).content.decode()


@pytest.mark.usefixtures("no_figures")
def test_the_export_has_layout_and_maps(seen: Worked) -> None:
    files = {file.name: file.content for file in files_of(seen.study, seen.model)}
    layout = list(csv.DictReader(io.StringIO(files["test-1/layout.csv"].decode())))
    cases = case_table(seen.test)
    found = embedding(cases, taxonomy(), features_of(seen.model, cases))
    assert found is not None
    assert [[float(row["x"]), float(row["y"])] for row in layout] == found.points.tolist()
    maps = list(csv.DictReader(io.StringIO(files["test-1/saliency.csv"].decode())))
    assert len(maps) == 9
    for row in maps:
        image = Image.objects.get(pk=seen.test.cases.get(number=row["case"]).images.get().pk)
        stored = SaliencyMap.objects.get(image=image)
        assert files[f"test-1/{row['file']}"] == bytes(stored.png)
    assert "Saliency maps of 9 cases" in files["checklists/claim.md"].decode()


def test_checklists_as_files(seen: Worked, researcher_client: Client) -> None:
    page = researcher_client.get(reverse("results-checklists", args=[seen.study.pk])).content.decode()
    for key in ("stard-ai", "claim", "tripod-ai"):
        for fmt in ("md", "csv"):
            place = reverse("results-checklist", args=[seen.study.pk, key, fmt])
            assert place in page
            assert researcher_client.get(place).status_code == 200
    for key, fmt in (("nothing", "md"), ("claim", "pdf")):
        assert researcher_client.get(reverse("results-checklist", args=[seen.study.pk, key, fmt])).status_code == 404
