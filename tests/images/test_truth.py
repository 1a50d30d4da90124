"""The taxonomy of the installation, and how a diagnosis is written for a person."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured

from model_core.taxonomy import Taxonomy
from readerstudy.images.truth import name_of, path_of, taxonomy


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    taxonomy.cache_clear()
    yield
    taxonomy.cache_clear()


def test_without_a_setting_it_is_the_one_that_is_shipped() -> None:
    assert taxonomy() == Taxonomy.default()
    assert taxonomy() is taxonomy()


def test_one_of_ones_own(settings: LazySettings, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("id,parent,name\na,,A\nb,a,B\nc,b,C\n")
    settings.TAXONOMY_CSV = str(path)
    apps.get_app_config("images").ready()
    assert taxonomy().nodes == ("a", "b", "c")
    assert (name_of("c"), path_of("c"), path_of("a")) == ("C", "A › B", "")
    assert (name_of("melanoma"), path_of("melanoma")) == ("melanoma", "")


@pytest.mark.parametrize("content", [None, "id,name\na,A\n"])
def test_a_wrong_one_stops_the_start(content: str | None, settings: LazySettings, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    if content is not None:
        path.write_text(content)
    settings.TAXONOMY_CSV = str(path)
    with pytest.raises(ImproperlyConfigured, match=r"READERSTUDY_TAXONOMY: .*mine\.csv"):
        apps.get_app_config("images").ready()
