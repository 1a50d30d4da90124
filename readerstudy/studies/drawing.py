"""The cases of a test, drawn once when its study is opened, from seeds that the protocol records."""

from readerstudy.studies import allocation, eligibility
from readerstudy.studies.eligibility import seed_of
from readerstudy.studies.models import Case, CaseImage, Test


def draw_cases(test: Test) -> None:
    """Draw the test's sample and store it as cases, each with its class by the reference standard."""
    pool = eligibility.pool_of(test)
    sample = allocation.draw_sample(
        pool.positives,
        pool.negatives,
        size=test.sample_size,
        n_positive=test.sample_positives,
        seed=seed_of(test, "sample"),
    )
    # A second draw: neither a case's number nor the order of its row tells anything of the first.
    order = allocation.draw_order(sample, seed=seed_of(test, "cases"))
    positive = set(pool.positives)
    cases = Case.objects.bulk_create(
        Case(test=test, number=number, is_positive=image in positive) for number, image in enumerate(order, start=1)
    )
    CaseImage.objects.bulk_create(
        CaseImage(case=case, image_id=image) for case, image in zip(cases, order, strict=True)
    )
