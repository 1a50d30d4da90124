"""The primary analysis as a flat table: one row for each test."""

from readerstudy.results.primary.numbers import PrimaryAnalysis
from readerstudy.results.sheets import Sheet

COLUMNS = (
    ("role", "what the numbers of this table are in the study's plan"),
    ("test", "position of the test in the study"),
    ("title", "title of the test"),
    ("question", "number of the question"),
    ("endpoint", "the primary endpoint of the plan"),
    ("method", "the test of the plan"),
    ("hypothesis", "superiority or non-inferiority"),
    ("threshold", "the model is positive when its score is at least this; empty: none, or above every score"),
    ("threshold_origin", "where the threshold comes from"),
    ("n_readers", "readers who enter"),
    ("n_left_out", "readers asked who do not enter"),
    ("n_missing", "answers missing of readers who have begun"),
    ("n_positive", "positive cases"),
    ("n_negative", "negative cases"),
    ("model", "the model's value"),
    ("comparator", "the average reader's value, or the stated AUC"),
    ("difference", "model minus comparator"),
    ("low", "lower confidence limit of the difference, not adjusted"),
    ("high", "upper confidence limit of the difference, not adjusted"),
    ("level", "confidence level: 1 - alpha"),
    ("interval_method", "how the interval was made"),
    ("bound", "what the difference must exceed: the margin of superiority, or minus that of non-inferiority"),
    ("statistic", "(difference - bound) / standard error"),
    ("df", "degrees of freedom of t; empty: normal"),
    ("p", "two-sided, of the difference against the bound"),
    ("adjusted_p", "after the plan's correction over the tests of the study"),
    ("multiplicity", "the plan's correction"),
    ("alpha", "two-sided"),
    ("decision", "shown, not shown, reversed (the opposite is shown) or undefined"),
    ("guardrails", "what makes the result fragile"),
    ("note", "what is undefined, left out or fragile in the estimate"),
)


def primary_sheet(primary: PrimaryAnalysis | None) -> Sheet:
    """No rows where the protocol planned nothing."""
    if primary is None:
        return Sheet("primary", COLUMNS, ())
    plan = primary.plan
    rows = tuple(
        (
            primary.role, test.position, test.title, test.question, plan.endpoint, plan.method, plan.hypothesis,
            test.threshold, plan.threshold_origin, test.n_readers, test.n_left_out, test.n_missing, test.n_positive,
            test.n_negative, test.model, test.comparator, test.difference.value, test.difference.low,
            test.difference.high, test.difference.level, test.difference.method, test.bound, test.statistic, test.df,
            test.p, test.adjusted_p, plan.multiplicity, plan.alpha, test.decision,
            " ".join([*test.guardrails, *primary.guardrails]), test.difference.note,
        )
        for test in primary.tests
    )  # fmt: skip
    return Sheet("primary", COLUMNS, rows)


def _like(*names: str) -> tuple[tuple[str, str], ...]:
    """The columns of the primary analysis of these names."""
    return tuple(column for column in COLUMNS if column[0] in names)


CONTRAST_COLUMNS = (
    ("role", "what the comparison is in the study's plan"),
    ("test", "position of the test in the study"),
    ("title", "title of the test"),
    ("question", "the question, as the first condition asks it"),
    ("first", "the first condition"),
    ("second", "the second condition"),
    ("measure", "what the readers are measured by"),
    ("method", "the test of the plan"),
    ("hypothesis", "superiority or non-inferiority"),
    ("n_readers", "readers who enter"),
    ("n_left_out", "readers asked who do not enter"),
    ("n_missing", "answers missing of readers who have begun"),
    ("n_positive", "positive cases"),
    ("n_negative", "negative cases"),
    ("n_answers", "answers under the second condition"),
    ("paired", "1: on the same cases under both conditions; 0: not"),
    ("n_discordant", "answers that differ between the conditions, where paired"),
    ("before", "the readers' average under the first condition"),
    ("after", "the readers' average under the second condition"),
    ("difference", "after minus before"),
    *_like("low", "high", "level", "interval_method"),
    ("bound", "what the difference must exceed: the margin of superiority, or minus that of non-inferiority"),
    *_like("statistic", "df", "p"),
    ("adjusted_p", "after the plan's correction over the primary tests, or over the secondary comparisons"),
    *_like("multiplicity", "alpha", "decision", "guardrails", "note"),
)


def contrasts_sheet(primary: PrimaryAnalysis) -> Sheet:
    """The planned comparisons of two conditions, a row each."""
    plan = primary.plan
    rows = tuple(
        (
            one.role, one.asked.test, one.title, one.text, one.first.name if one.first else "",
            one.second.name if one.second else "", one.asked.measure, one.asked.method, one.asked.hypothesis,
            one.n_readers, one.n_left_out, one.n_missing, one.n_positive, one.n_negative, one.n_answers,
            int(one.paired), one.n_discordant if one.paired else None, one.before, one.after, one.difference.value,
            one.difference.low, one.difference.high, one.difference.level, one.difference.method, one.bound,
            one.statistic, one.df, one.p, one.adjusted_p, plan.multiplicity, plan.alpha, one.decision,
            " ".join([*one.guardrails, *primary.guardrails]), one.difference.note,
        )
        for one in primary.contrasts
    )  # fmt: skip
    return Sheet("contrasts", CONTRAST_COLUMNS, rows)
