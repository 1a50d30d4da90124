"""How a result is written on a page: {{ value|number }}, {{ estimate|estimate }}."""

from django import template

from readerstudy.results import captions
from readerstudy.results.stats import Estimate

register = template.Library()
WORD_JOINER = "\u2060"  # an interval is not broken across lines


@register.filter
def number(value: float) -> str:
    return captions.number(value)


@register.filter
def estimate(value: Estimate) -> str:
    return captions.estimate(value).replace("–", f"–{WORD_JOINER}")
