"""What the questions of a test still lack: see `rules`."""

from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _

from readerstudy.images.truth import taxonomy
from readerstudy.studies.eligibility import Candidate, overlap
from readerstudy.studies.models import Choice, Question, Stage, Test

WITH_CHOICES = (Question.Kind.DECISION, Question.Kind.CLASSES)


def is_judged(question: Question) -> bool:
    """Whether an answer can be right or wrong by the case's class: a decision, or classes that all have a sign."""
    choices = list(question.choices.all())
    return question.kind in WITH_CHOICES and bool(choices) and all(choice.is_positive is not None for choice in choices)


def missing_from_questions(test: Test, stages: Sequence[Stage]) -> Iterator[str]:
    """What the questions lack, and what the test promises that needs a question that can be judged."""
    questions = [question for stage in stages for question in stage.questions.all()]
    for question in questions:
        yield from _missing(test, question)
    if questions and not any(is_judged(question) for question in questions):
        for promised, what in (
            (test.pass_mark is not None, _("pass mark")),
            (test.shows_own_result, _("point of a reader's own")),
            (test.attention_cases > 0, _("attention checks")),
        ):
            if promised:
                yield _("Without a question whose answers count as positive or negative there can be no %(what)s.") % {
                    "what": what
                }


def _missing(test: Test, question: Question) -> Iterator[str]:
    choices = list(question.choices.all())
    named = {"text": question.text}
    if choices and question.kind not in WITH_CHOICES:
        yield _("The question “%(text)s” is not answered by choosing: remove its answers.") % named
    if question.kind == Question.Kind.DECISION:
        signs = [choice.is_positive for choice in choices]
        if sorted(map(str, signs)) != ["False", "True"]:
            yield _("The question “%(text)s” needs two answers, one of which counts as positive.") % named
    elif question.kind == Question.Kind.CLASSES:
        yield from _missing_from_classes(test, question, choices)
    elif question.kind == Question.Kind.RANKING:
        for node in question.nodes:
            if node not in taxonomy().nodes:
                yield _("The question “%(text)s”: the taxonomy has no node “%(node)s”.") % {**named, "node": node}


def _missing_from_classes(test: Test, question: Question, choices: Sequence[Choice]) -> Iterator[str]:
    named = {"text": question.text}
    if len(choices) < 2:
        yield _("The question “%(text)s” needs at least two classes.") % named
        return
    signed = [choice for choice in choices if choice.is_positive is not None]
    if signed and len(signed) < len(choices):
        yield _("The question “%(text)s”: either every class counts as positive or negative, or none does.") % named
    if signed and len({choice.is_positive for choice in signed}) < 2:
        yield _("The question “%(text)s”: one class at least must count as positive, and one as negative.") % named
    unnamed = [choice for choice in choices if not choice.node]
    # Without a diagnosis a class (of management, say) can still be read as a decision, if it has a sign.
    if unnamed and len(signed) < len(choices):
        yield _("The question “%(text)s”: the class “%(label)s” needs a diagnosis, or a sign like all the others.") % {
            **named, "label": unnamed[0].label
        }  # fmt: skip
    known = [choice for choice in choices if choice.node in taxonomy().nodes]
    for choice in choices:
        if choice.node and choice not in known:
            yield _("The question “%(text)s”: the taxonomy has no node “%(node)s”.") % {**named, "node": choice.node}
    yield from _contradictions(test, question, known)


def _contradictions(test: Test, question: Question, choices: Sequence[Choice]) -> Iterator[str]:
    """No class lies under another, and none counts as positive that the test counts as negative."""
    for number, one in enumerate(choices):
        for other in choices[number + 1 :]:
            if overlap([one.node], [other.node]):
                yield _("The question “%(text)s”: “%(one)s” and “%(other)s” have diagnoses in common.") % {
                    "text": question.text, "one": one.label, "other": other.label
                }  # fmt: skip
    for choice in choices:
        line = {choice.node, *taxonomy().ancestors(choice.node)}
        for nodes, sign in ((test.positive_nodes, True), (test.negative_nodes, False)):
            if choice.is_positive is (not sign) and line & set(nodes):
                sentence = (
                    _("The question “%(text)s”: “%(label)s” counts as negative, but its diagnosis is positive.")
                    if sign
                    else _("The question “%(text)s”: “%(label)s” counts as positive, but its diagnosis is negative.")
                )
                yield sentence % {"text": question.text, "label": choice.label}


def missing_classes(stages: Sequence[Stage], scored: Sequence[Candidate]) -> Iterator[str]:
    """Where every class is a diagnosis, each case has its right answer among them."""
    for stage in stages:
        for question in stage.questions.all():
            nodes = {choice.node for choice in question.choices.all()}
            if question.kind != Question.Kind.CLASSES or not nodes or not nodes <= set(taxonomy().nodes):
                continue
            homeless = sorted(
                {
                    row.diagnosis
                    for case in scored
                    for row in case.rows
                    if not nodes & {row.diagnosis, *taxonomy().ancestors(row.diagnosis)}
                }
            )
            if homeless:
                names = "”, “".join(taxonomy().name(node) for node in homeless)
                yield _("The question “%(text)s” has no class for “%(names)s”.") % {
                    "text": question.text, "names": names
                }  # fmt: skip
