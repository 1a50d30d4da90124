"""German results: words and decimal signs follow the reader, data do not."""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from tests.results import made
from tests.results.conftest import Worked

GERMAN = {"Accept-Language": "de"}


@pytest.fixture(autouse=True)
def _back_to_english() -> Iterator[None]:
    """A request leaves its language behind in this thread."""
    with translation.override("en"):
        yield


def test_a_page_has_decimal_commas_and_data_have_points(worked: Worked, researcher_client: Client) -> None:
    made.unblind(worked.study)
    study, test = worked.study.pk, worked.test.pk
    page = researcher_client.get(reverse("results", args=[study]), headers=GERMAN).content.decode()
    assert "AUC 0,854 (95-%-Konfidenzintervall" in page  # 20.5 / 24
    assert "SD 0,177" in page  # 0.25 / sqrt(2)
    assert '"separators": ",."' in page or '"separators":",."' in page
    addresses = [reverse("results-table", args=[study, test, table, fmt])
                 for table in ("readers", "summary", "curve", "answers") for fmt in ("csv", "json")]  # fmt: skip
    addresses += [reverse("api-results", args=[study]), reverse("results-primary", args=[study, "csv"])]
    for address in addresses:
        english, german = (researcher_client.get(address, headers=asked) for asked in ({}, GERMAN))
        assert (english.status_code, german.status_code) == (200, 200), address
        assert english.content == german.content, address
