"""The cases of a test, drawn once when its study is opened, from seeds that the protocol records."""

from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import override

from readerstudy.images.models import Confirmation, ImageSet
from readerstudy.images.truth import taxonomy
from readerstudy.studies import allocation, eligibility
from readerstudy.studies.eligibility import Candidate, Pool, seed_of
from readerstudy.studies.models import Case, CaseImage, Question, Test


@dataclass(frozen=True, slots=True)
class Extras:
    """The practice cases and attention checks of a test, and what is too few to draw them, as sentences."""

    practice: tuple[Candidate, ...]
    attention: tuple[Candidate, ...]
    short: tuple[str, ...]


def draw_cases(test: Test) -> None:
    """Draw the test's sample, its practice cases and its attention checks, and store them as cases.

    Raises StudiesError, saying what is too few. The counted cases have the numbers 1 to n, then come the others.
    """
    pool = eligibility.pool_of(test)
    extras = draw_extras(test)
    drawn = [(candidate, Case.Kind.SCORED) for candidate in draw_scored(test, pool)]
    drawn += [(candidate, Case.Kind.PRACTICE) for candidate in extras.practice]
    drawn += [(candidate, Case.Kind.ATTENTION) for candidate in extras.attention]
    judged = test.questions.filter(kind__in=[Question.Kind.DECISION, Question.Kind.CLASSES]).first()
    cases = Case.objects.bulk_create(
        Case(
            test=test, number=number, kind=kind, is_positive=candidate.is_positive,
            feedback=feedback_on(candidate, judged) if kind == Case.Kind.PRACTICE else "",
        )
        for number, (candidate, kind) in enumerate(drawn, start=1)
    )  # fmt: skip
    CaseImage.objects.bulk_create(
        CaseImage(case=case, image_id=row.image, position=position)
        for case, (candidate, _kind) in zip(cases, drawn, strict=True)
        for position, row in enumerate(candidate.rows, start=1)
    )


def draw_scored(test: Test, pool: Pool) -> list[Candidate]:
    """The counted cases, in the order of their numbers. Raises StudiesError, saying what is too few."""
    sample = allocation.draw_sample(
        pool.positives,
        pool.negatives,
        size=test.sample_size,
        n_positive=test.sample_positives,
        seed=seed_of(test, "sample"),
    )
    # A second draw: neither a case's number nor the order of its row tells anything of the first.
    order = allocation.draw_order(sample, seed=seed_of(test, "cases"))
    by_key = {candidate.key: candidate for candidate in pool.candidates}
    return [by_key[key] for key in order]


def draw_extras(test: Test) -> Extras:
    """Practice cases and attention checks: as many positive as negative ones, as far as the sets have both.

    They fit what the test asks for of its own images, and share no picture, lesion or patient with any of these, nor
    with one another, so that nobody practises on a case that counts.
    """
    own = eligibility.rows_of(test, test.image_set)
    short: list[str] = []
    practice: tuple[Candidate, ...] = ()
    attention: tuple[Candidate, ...] = ()
    if test.practice_set:
        pool = eligibility.pool_of(test, test.practice_set, draw="practice lesions")
        rest = pool.without_lesions_of(own)
        short += _short(_("practice cases"), test.practice_set, pool, rest, test.practice_cases)
        practice = _evenly(rest, test.practice_cases, seed=seed_of(test, "practice"))
    if test.attention_set:
        pool = eligibility.pool_of(test, test.attention_set, draw="attention lesions")
        rest = pool.without_lesions_of([*own, *(row for candidate in practice for row in candidate.rows)])
        short += _short(_("attention checks"), test.attention_set, pool, rest, test.attention_cases)
        attention = _evenly(rest, test.attention_cases, seed=seed_of(test, "attention"))
    return Extras(practice, attention, tuple(short))


def _short(what: str, image_set: ImageSet, pool: Pool, rest: Pool, asked: int) -> list[str]:
    """A sentence where fewer are left than asked for, else nothing."""
    n, left = len(pool.candidates), len(rest.candidates)
    if left >= asked:
        return []
    if n == 0:
        return [
            _("No image of “%(set)s” fits this test, so that it has no %(what)s.") % {"set": image_set, "what": what}
        ]
    return [
        _(
            "Of the %(n)d lesions of “%(set)s” that fit, %(shared)d share a picture, a lesion or a patient with cases "
            "of this test; %(left)d are left for the %(asked)d %(what)s."
        )
        % {"n": n, "set": image_set, "shared": n - left, "left": left, "asked": asked, "what": what}
    ]


def _evenly(pool: Pool, size: int, *, seed: str) -> tuple[Candidate, ...]:
    """`size` candidates (or all, of fewer) in random order, half of them positive as far as there are so many."""
    size = min(size, len(pool.candidates))
    if not size:
        return ()
    n_positive = max(size - len(pool.negatives), min(size // 2, len(pool.positives)))
    chosen = allocation.draw_sample(pool.positives, pool.negatives, size=size, n_positive=n_positive, seed=seed)
    by_key = {candidate.key: candidate for candidate in pool.candidates}
    return tuple(by_key[key] for key in chosen)


def feedback_on(candidate: Candidate, question: Question | None) -> str:
    """What a reader is told after a practice case: the diagnosis, how it is known, and the answer that was expected.

    In the language of the installation: the text is part of the protocol, whoever opens the study.
    """
    with override(settings.LANGUAGE_CODE):
        row = candidate.rows[0]
        name = taxonomy().name(row.diagnosis)
        told = f"{name[:1].upper()}{name[1:]} ({Confirmation(row.confirmation).label})."
        expected = expected_answer(question, candidate) if question else ""
        if expected:
            told += " " + _("Expected answer: %(answer)s.") % {"answer": expected}
    longest = Case._meta.get_field("feedback").max_length
    return told if longest is None or len(told) <= longest else told[: longest - 1] + "…"


def expected_answer(question: Question, candidate: Candidate) -> str:
    """The label of the choice that is right for the candidate; empty where the question has no single right one."""
    diagnosis = candidate.rows[0].diagnosis
    line = {diagnosis, *taxonomy().ancestors(diagnosis)}
    choices = list(question.choices.all())
    named = [choice.label for choice in choices if choice.node in line]
    decided = [choice.label for choice in choices if choice.is_positive is candidate.is_positive]
    for right in (named, decided):
        if len(right) == 1:
            return right[0]
    return ""
