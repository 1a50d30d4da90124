"""The cases of a test as they were drawn, with their truth."""

import numpy as np
from django.utils.translation import gettext as _

from readerstudy.results.arrays import CaseTable
from readerstudy.results.errors import ResultsError
from readerstudy.studies.eligibility import diagnoses_under
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import Case, CaseImage, Test


def case_table(test: Test) -> CaseTable:
    """The counted cases of a test: neither practice nor attention checks.

    Raises: ResultsError for a case without a reference, or of neither or of both sides.
    """
    positive, negative = sides_of(test)
    rows = list(
        CaseImage.objects.filter(case__test=test, case__kind=Case.Kind.SCORED)
        .order_by("case__number", "position")
        .values_list(
            "case_id", "case__number", "image_id", "image__uuid", "image__modality",
            "image__reference__diagnosis", "image__reference__confirmation",
        )
    )  # fmt: skip
    index: dict[int, int] = {}
    truth: list[int] = []
    for case, number, _image, _uuid, _modality, diagnosis, _confirmation in rows:
        if diagnosis not in positive and diagnosis not in negative:
            raise ResultsError(_no_side(test, number, diagnosis))
        value = int(diagnosis in positive)
        if index.setdefault(case, len(index)) == len(truth):
            truth.append(value)
        elif truth[index[case]] != value:
            why = _("%(title)s: case %(number)d has positive and negative pictures; it can be only one.")
            raise ResultsError(why % {"title": test.title, "number": number})
    first = {row[0]: row for row in reversed(rows)}
    firsts = [first[case] for case in index]
    return CaseTable(
        ids=np.array(list(index), dtype=np.int64),
        numbers=np.array([row[1] for row in firsts], dtype=np.int64),
        truth=np.array(truth, dtype=np.int64),
        diagnoses=tuple(str(row[5]) for row in firsts),
        confirmations=tuple(str(row[6]) for row in firsts),
        modalities=tuple(str(row[4]) for row in firsts),
        picture_case=np.array([index[row[0]] for row in rows], dtype=np.int64),
        picture_image=np.array([row[2] for row in rows], dtype=np.int64),
        picture_uuids=tuple(str(row[3]) for row in rows),
    )


def sides_of(test: Test) -> tuple[set[str], set[str]]:
    """The diagnoses that are positive in a test, and those that are negative. Raises: ResultsError."""
    try:
        return diagnoses_under(test.positive_nodes), diagnoses_under(test.negative_nodes)
    except StudiesError as error:
        asks = _("Is the installation's taxonomy another one now?")
        raise ResultsError(f"{test.title}: {error} {asks}") from error


def _no_side(test: Test, number: int, diagnosis: str | None) -> str:
    if diagnosis is None:
        return _("%(title)s: case %(number)d has no reference diagnosis.") % {"title": test.title, "number": number}
    sides = ", ".join([*test.positive_nodes, *test.negative_nodes])
    says = _("%(title)s: case %(number)d has the diagnosis “%(diagnosis)s”, which lies under none of %(sides)s.")
    return says % {"title": test.title, "number": number, "diagnosis": diagnosis, "sides": sides}
