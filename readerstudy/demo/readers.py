"""Simulated readers as people of a study: invited, agreed, with their readings; and the truth they are drawn by."""

import numpy as np
from numpy.typing import NDArray

from readerstudy.accounts.models import User
from readerstudy.demo.simulation import SimulatedReader
from readerstudy.images.truth import taxonomy
from readerstudy.readers import invitations
from readerstudy.readers.consent import consent_sha256
from readerstudy.readers.models import Reader
from readerstudy.readings.allocation import ensure_readings
from readerstudy.studies.models import Study, Test


def simulated_reader(
    study: Study, email: str, person: SimulatedReader, tests: list[Test], administrator: User
) -> Reader:  # fmt: skip
    """A reader who has agreed and may read these tests; the one of before, where there is one."""
    reader = Reader.objects.filter(study=study, email=email).first()
    if reader is None or reader.user is None:
        if reader is None:
            reader, token = invitations.invite(study=study, email=email, tests=tests, actor=administrator)
        else:
            token = invitations.renew(reader, actor=administrator)
        invitation = invitations.find(token)
        profile = {
            "specialty": person.specialty, "board_certified": person.board_certified,
            "years_of_practice": person.years_of_practice,
        }  # fmt: skip
        invitations.accept(invitation, profile=profile, text_sha256=consent_sha256(study))
        reader.refresh_from_db()
    assert reader.user is not None
    ensure_readings(reader.user)
    return reader


def truth_of(test: Test) -> tuple[list[int], NDArray[np.bool_]]:
    """The cases of a test (ids) and which of them are positive."""
    positive = {d for node in test.positive_nodes for d in taxonomy().descendants(node)}
    cases = list(test.cases.order_by("number").values_list("pk", "images__reference__diagnosis"))
    return [pk for pk, _ in cases], np.array([diagnosis in positive for _, diagnosis in cases])
