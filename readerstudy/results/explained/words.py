"""Captions and alternative texts of the layout and of the saliency plate, made of the numbers."""

from dataclasses import dataclass
from typing import Protocol

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readerstudy.results.captions import number
from readerstudy.results.explained.numbers import Embedding
from readerstudy.results.explained.shown import Shown

TITLES = {
    "layout": gettext_lazy("Cases as the model's last hidden layer lays them out"),
    "saliency": gettext_lazy("Pixels that the model's answers hang on"),
}


class Titled(Protocol):
    """A test, as far as its captions name it."""

    @property
    def title(self) -> str: ...

    @property
    def notice(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Named:
    """Such a test without its numbers."""

    title: str
    notice: str


def layout_caption(test: Titled, found: Embedding, model: str) -> str:
    """What the layout shows, n and method."""
    counts = ", ".join(
        _("%(name)s %(n)d") % {"name": name, "n": int((found.group == group).sum())}
        for group, name in enumerate(found.groups)
    )
    words = [
        _("%(title)s: each mark is one of %(n)d cases (%(counts)s) at its place by t-SNE of the values of the last hidden layer of “%(model)s” (perplexity %(perplexity)g, seed %(seed)d); near cases are alike to the model, distances between groups mean little.")  # noqa: E501
        % {
            "title": test.title, "n": found.n, "counts": counts, "model": model, "perplexity": found.perplexity,
            "seed": found.seed,
        },
        _("Pictures: %(n)d cases far from one another, chosen by their places alone.") % {"n": len(found.insets)},
    ]  # fmt: skip
    if left := len(found.numbers) - found.n:
        words.append(_("Cases without a place, as the model has not looked at them: %(n)d.") % {"n": left})
    return " ".join([*words, test.notice] if test.notice else words)


def saliency_caption(test: Titled, shown: list[Shown], model: str) -> str:
    """What the plate shows, and how its cases were chosen."""
    words = [
        _("%(title)s: each picture beside its saliency map, the L1 norm over the colours of the gradient of −log P at the input of “%(model)s”, P being the probability of its most probable class; brighter pixels would change it most. Each map has a scale of its own.")  # noqa: E501
        % {"title": test.title, "model": model},
        _("The first cases of each group by number; nobody picked them."),
        _("The class of each map with its probability: %(cases)s.") % {"cases": "; ".join(_case(one) for one in shown)},
    ]  # fmt: skip
    return " ".join([*words, test.notice] if test.notice else words)


def _case(one: Shown) -> str:
    told = {"diagnosis": one.diagnosis, "target": one.target, "probability": number(one.probability, 2)}
    return _("case %(n)d, %(diagnosis)s: %(target)s %(probability)s") % {"n": one.number, **told}
