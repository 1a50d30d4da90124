"""Whether a reader passed a screening test: the one place where answers meet the class of a case while a study is open.

Nothing of it reaches a reader but whether he reads on.
"""

from django.db.models import F, OuterRef, Subquery

from readerstudy.readers.models import Reader
from readerstudy.readings.models import Answer, Item, Reading
from readerstudy.studies.models import Case, Test


def has_passed(reader: Reader, test: Test) -> bool:
    """Whether the reader has finished the test, with as many right answers as its pass mark asks for, if it has one.

    What counts is the last answer to the first question of two sides; a case without such an answer is not right.
    """
    readings = list(Reading.objects.filter(reader=reader, test=test).values_list("finished_at", flat=True))
    if not readings or None in readings:
        return False
    if test.pass_mark is None:
        return True
    n_right, n_cases = right(reader, test)
    return n_cases > 0 and 100 * n_right >= test.pass_mark * n_cases


def right(reader: Reader, test: Test) -> tuple[int, int]:
    """(right answers, cases) over the counted cases of the reader's readings of a test."""
    items = Item.objects.filter(
        reading__reader=reader, reading__test=test, case__kind=Case.Kind.SCORED, is_repeat=False
    )
    question = test.questions.filter(choices__is_positive__isnull=False).order_by("position").first()
    if question is None:
        return 0, items.count()
    last = (
        Answer.objects.filter(submission__item=OuterRef("pk"), question=question)
        .order_by("-submission__revision")
        .values("choice__is_positive")[:1]
    )
    return items.annotate(said=Subquery(last)).filter(said=F("case__is_positive")).count(), items.count()
