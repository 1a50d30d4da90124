"""How a result is written on a page: {{ value|number }}, {{ estimate|estimate }}, {{ roles|role_of:"forest" }},
{{ node|diagnosis }}."""

from django import template

from readerstudy.images.truth import name_of
from readerstudy.results import captions
from readerstudy.results.analysis import QuestionResult
from readerstudy.results.primary import roles
from readerstudy.results.stats import Estimate

register = template.Library()
NO_BREAK = "\u00a0"  # an interval is not broken across lines


@register.filter
def number(value: float) -> str:
    return captions.number(value)


@register.filter
def estimate(value: Estimate) -> str:
    number, bracket, limits = captions.estimate(value).partition(" (")
    return number + bracket + limits.replace(" ", NO_BREAK)


@register.filter
def p_value(value: float) -> str:
    return captions.p_value(value)


@register.filter
def question_name(question: QuestionResult) -> str:
    return captions.question_name(question)


@register.filter
def diagnosis(node: str) -> str:
    """The name of a diagnosis that the numbers know by its id."""
    return name_of(node)


@register.filter
def role(name: str) -> str:
    """What a number is in the study's plan, in words."""
    return captions.role(name)


@register.filter
def role_of(known: dict[str, str], figure: str) -> str:
    """The role of a figure of a test's own page, in words."""
    return captions.role(roles.role_of_figure(known, figure))
