"""What readers said of themselves divides them in the results: the newest word of each counts."""

import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.readers.models import Profile
from readerstudy.results.export import files_of
from tests.results import made
from tests.results.conftest import Worked
from tests.studies.test_pages import text

FIRST = {"specialty": "dermatology", "board_certified": True, "years_of_practice": 12}


@pytest.mark.usefixtures("no_figures")
def test_training_country_and_device_are_strata(worked: Worked, researcher_client: Client) -> None:
    one, two = worked.readers
    Profile.objects.create(reader=one, **FIRST, dermoscopy_training="course", country="AT", device="phone")
    Profile.objects.create(reader=one, **FIRST, dermoscopy_training="certificate", country="AT", device="tablet")
    Profile.objects.create(reader=two, **FIRST, dermoscopy_training="course", country="DE", device="tablet")
    study = made.unblind(worked.study)
    page = text(researcher_client.get(reverse("results-test", args=[study.pk, worked.test.pk])).content)
    for attribute in ("training in dermoscopy", "country"):
        assert f"{attribute}: readers, sensitivity." in page
    assert "device: readers" not in page  # both read on a tablet in the end
    files = {file.name: file.content.decode() for file in files_of(study, worked.model) if file.name.endswith(".csv")}
    assert f"reader,{one.code},training,certificate" in files["test-1/attributes.csv"]
    assert f"reader,{two.code},countries,DE" in files["test-1/attributes.csv"]
