"""What a reader is shown of his own result, and from when."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import User
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Reading
from readerstudy.studies import protocol
from readerstudy.studies.models import Test
from tests.builders import accepted_reader
from tests.conftest import signed_in
from tests.readings.conftest import answer, item_at
from tests.readings.designed import designed


@pytest.fixture
def reading(administrator: User) -> Reading:
    """Read to its end: of the 3 melanomas one was missed, of the 4 naevi none was called one."""
    test: Test = designed(administrator, shows_own_result=True)
    (made,) = ensure_readings(accepted_reader(test.study).user)
    missed = False
    for position in range(1, 8):
        is_positive = item_at(made, position).case.is_positive
        answer(made, position, 1 if is_positive and missed else 2)
        missed = missed or bool(is_positive)
    return made


def page_of(reading: Reading, client: Client) -> str:
    content = client.get(reverse("read-done", args=[reading.uuid])).content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", content).split())


def test_a_reader_sees_his_own_point_once_the_study_is_unblinded(administrator: User, reading: Reading) -> None:
    other = accepted_reader(reading.test.study)
    client = signed_in(reading.reader.user)
    study = reading.test.study
    assert "When the study is over and unblinded" in page_of(reading, client)
    protocol.close_study(study, actor=administrator)
    assert "When the study is over and unblinded" in page_of(reading, client)
    protocol.unblind_study(study, actor=administrator)
    shown = page_of(reading, client)
    # By hand, z = 1.96: Wilson's limits (J Am Stat Assoc 22:209, 1927) of 2/3 are 0.573 -+ 0.365; of 4/4 the lower one
    # is 4 / (4 + z^2) = 0.510.
    assert re.search(r"Sensitivity 0\.667 \(0\.208\Wto\W0\.939\)", shown)
    assert re.search(r"Specificity 1\.000 \(0\.510\Wto\W1\.000\)", shown)
    assert "Cases answered 7 / 7" in shown
    assert other.code not in shown
    assert signed_in(other.user).get(reverse("read-done", args=[reading.uuid])).status_code == 404
    assert "Your own result" in client.get(reverse("home")).content.decode()


def test_a_protocol_that_does_not_show_it_shows_nothing(administrator: User, reading: Reading) -> None:
    Test.objects.update(shows_own_result=False)
    protocol.close_study(reading.test.study, actor=administrator)
    protocol.unblind_study(reading.test.study, actor=administrator)
    client = signed_in(reading.reader.user)
    assert "own result" not in page_of(reading, client)
    assert "own result" not in client.get(reverse("home")).content.decode()
