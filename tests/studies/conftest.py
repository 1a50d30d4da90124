"""A draft whose one test has two stages, for the tests of the builder's pages."""

import pytest

from readerstudy.accounts.models import User
from readerstudy.images.models import ImageSet
from readerstudy.studies import drafting
from readerstudy.studies.drafts import StageDraft
from readerstudy.studies.models import Study, Test
from tests.builders import draft_study, image_set
from tests.studies.building import BIOPSY, SURE


@pytest.fixture
def images(administrator: User) -> ImageSet:
    return image_set(administrator, diagnoses=["melanoma"] * 4 + ["melanocytic-naevus"] * 5, name="The set")


@pytest.fixture
def draft(administrator: User, images: ImageSet) -> Study:
    return draft_study(administrator, image_sets=[images])


@pytest.fixture
def test(draft: Study) -> Test:
    found = draft.tests.get()
    drafting.save_test(found, stages=[StageDraft([BIOPSY]), StageDraft([BIOPSY, SURE])], actor=draft.created_by)
    return found
