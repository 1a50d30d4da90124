"""A test's own page and its figures: for whom, for what address, and what they hold."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.results import rendering, single, tasks
from readerstudy.results.models import Computation
from readerstudy.results.supplement.words import TITLES
from tests.builders import open_study
from tests.conftest import signed_in
from tests.results import made
from tests.results.conftest import Worked

no_chromium = pytest.mark.skipif(bool(rendering.unavailable()), reason=rendering.unavailable() or "none")


@pytest.fixture
def unblinded(worked: Worked) -> Worked:
    made.unblind(worked.study)
    return worked


def address(worked: Worked, *figure: str) -> str:
    name = "results-figure" if figure else "results-test"
    return reverse(name, args=[worked.study.pk, worked.test.pk, *figure])


def test_the_page_shows_what_stands_behind_the_figure(unblinded: Worked, researcher_client: Client) -> None:
    main = researcher_client.get(reverse("results", args=[unblinded.study.pk])).content.decode()
    assert address(unblinded) in main
    response = researcher_client.get(address(unblinded))
    assert response.status_code == 200
    page = response.content.decode()
    assert "Fleiss&#x27; kappa" in page
    assert "Fewer than 5 complete readers (2)" in page
    assert "other readers and other cases (readers and cases random)" in page
    assert "Brier score" in page
    assert "browsers&#x27; clocks (not the server&#x27;s)" in page
    forest = json.loads(page.split('id="figure-forest" type="application/json">')[1].split("</script>")[0])
    assert forest["data"][0]["y"] == ["R01", "R02"]
    # R01 at 5/6: the model's curve has 3/4 there, as R01; R02 at 3/6: the curve has 4/4, R02 has 2/4
    assert forest["data"][0]["x"] == pytest.approx([0.0, 0.5])


def test_the_page_obeys_its_policy(unblinded: Worked, researcher_client: Client) -> None:
    page = researcher_client.get(address(unblinded)).content.decode()
    assert " style=" not in page
    assert "<style" not in page
    assert page.count("<script") == page.count('<script type="module" src=') + page.count('type="application/json"')


def test_only_researchers_who_do_not_read_and_only_with_numbers(
    worked: Worked, researcher_client: Client, administrator_client: Client, client: Client
) -> None:
    addresses = [address(worked), address(worked, "forest", "html")]
    for place in addresses:
        assert researcher_client.get(place).status_code == 404, place  # still blinded, no look on record
    made.unblind(worked.study)
    reader = worked.readers[0].user
    assert reader is not None
    for place in addresses:
        assert administrator_client.get(place).status_code == 404, place
        assert signed_in(reader).get(place).status_code == 404, place
        assert client.get(place).status_code == 302, place
        assert researcher_client.post(place).status_code == 405, place
        assert researcher_client.get(place).status_code == 200, place


def test_wrong_addresses(unblinded: Worked, researcher_client: Client, administrator: User) -> None:
    other = made.unblind(open_study(administrator, title="Another"))
    wrong = [
        reverse("results-test", args=[unblinded.study.pk, 999_999]),
        reverse("results-test", args=[other.pk, unblinded.test.pk]),
        address(unblinded) + "?question=7",
        address(unblinded) + "?model=999999",
        address(unblinded, "nothing", "html"),
        address(unblinded, "subgroups", "html"),  # every case and every reader is alike here
        address(unblinded, "forest", "html").replace(".html", ".gif"),
    ]
    assert len(wrong) == 7
    for place in wrong:
        assert researcher_client.get(place).status_code == 404, place


def test_twice_is_the_same(unblinded: Worked, researcher_client: Client) -> None:
    pages = [researcher_client.get(address(unblinded)).content.decode() for _ in range(2)]
    # Around it are the tokens of the forms to sign out and to choose a language.
    first, second = (page.split("<main")[1].split("</main>")[0] for page in pages)
    assert "<table" in first
    assert first == second


def test_each_figure_is_a_page_of_its_own(unblinded: Worked, researcher_client: Client) -> None:
    names = [name for name in TITLES if name not in ("subgroups", "levels")]  # two classes, and readers all alike
    assert len(names) == 10
    for name in names:
        response = researcher_client.get(address(unblinded, name, "html"))
        assert response.status_code == 200, name
        assert response["Content-Disposition"].startswith("attachment"), name
        assert "<figcaption>" in response.content.decode(), name


@no_chromium
def test_a_figure_as_png(unblinded: Worked, researcher_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single, "PATIENCE", 0.0)
    assert researcher_client.get(address(unblinded, "agreement", "png")).status_code == 302
    tasks.compute(Computation.objects.get(what="figure").pk)
    response = researcher_client.get(address(unblinded, "agreement", "png"))
    assert response.status_code == 200
    assert b"".join(response.streaming_content).startswith(b"\x89PNG")


def test_the_main_figure_and_the_tables_keep_their_addresses(unblinded: Worked, researcher_client: Client) -> None:
    assert researcher_client.get(address(unblinded, "html")).status_code == 200
    table = reverse("results-table", args=[unblinded.study.pk, unblinded.test.pk, "readers", "csv"])
    assert researcher_client.get(table).status_code == 200
