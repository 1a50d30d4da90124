"""Every address that the URL resolver knows, with everything filled in that a curious reader could fill in."""

import itertools
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse
from django.utils.http import int_to_base36

from readerstudy.accounts.models import User
from readerstudy.images.models import Image, ImageSet, Upload
from readerstudy.readers.models import Reader
from readerstudy.readings.models import Item, Reading
from readerstudy.results.models import Computation
from readerstudy.results.sheets import SHEETS
from readerstudy.results.supplement.figures import FIGURES
from readerstudy.scoring.models import ModelVersion, ScoringRun
from readerstudy.studies.models import Case, Study, Test
from tests.blinded_study import Planted

# What a reader may ask for, by which methods; to him every other route but those of signing in does not exist. A new
# one is added here, and then to the sessions that `replay` and `replay_designs` go through.
READER_ROUTES: dict[str, set[str]] = {
    "home": {"GET"},
    "join": {"GET", "POST"},
    "agree": {"GET", "POST"},
    "reader-profile": {"GET", "POST"},
    "language": {"POST"},
    "reading-start": {"GET"},
    "read": {"GET", "POST"},
    "read-done": {"GET"},
    "read-end": {"POST"},
    "read-screen": {"GET", "POST"},
    "read-withdraw": {"GET", "POST"},
    "read-another": {"POST"},
    "read-picture": {"GET"},
    "read-advice": {"GET"},
    "read-advice-picture": {"GET"},
    "api-read": {"GET", "POST"},
    "api-read-events": {"POST"},
    "api-read-diagnoses": {"GET"},
}


@dataclass(frozen=True)
class Route:
    """A route: its name (two may share one), its pattern as the resolver knows it, and its parameters."""

    name: str
    pattern: str
    parameters: tuple[str, ...]

    def addresses(self, values: dict[str, Sequence[Any]]) -> list[str]:
        """The route with every combination of the values of its parameters.

        KeyError: a parameter that nobody thought of. AssertionError: no combination leads to this route.
        """
        choices = [values.get(f"{self.name}:{name}") or values[name] for name in self.parameters]
        chosen = (dict(zip(self.parameters, one, strict=True)) for one in itertools.product(*choices))
        made = [reverse(self.name, kwargs=kwargs) for kwargs in chosen]
        assert any(resolve(address).route == self.pattern for address in made), f"nothing leads to {self.pattern}"
        return made


def every_route() -> list[Route]:
    """All routes, included ones too. AssertionError: a route without a name, which could not be filled in."""
    return list(_routes(get_resolver(), (), "", ""))


def _routes(resolver: URLResolver, above: tuple[str, ...], namespace: str, prefix: str) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        parameters = (*above, *entry.pattern.regex.groupindex)
        pattern = prefix + (str(entry.pattern).removeprefix("^") if prefix else str(entry.pattern))
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from _routes(entry, parameters, inner, pattern)
        else:
            assert isinstance(entry, URLPattern)
            assert entry.name, f"{pattern} has no name"
            yield Route(f"{namespace}{entry.name}", pattern, parameters)


def known_values(planted: Planted) -> dict[str, list[Any]]:
    """What to fill in for each parameter: what is the reader's own, other people's, and what does not exist.

    A parameter that a new route brings is added here.
    """
    own, others = Reading.objects.filter(reader=planted.reader), Reading.objects.exclude(reader=planted.reader)
    nobody = uuid.uuid4()
    images = [image.uuid for image in Image.objects.order_by("pk")[::5]]
    cases = [case.uuid for case in Case.objects.order_by("pk")[::5]]
    strangers = [reading.items.first().uuid for reading in others]
    rows = (Study, Test, ImageSet, Upload, ModelVersion, ScoringRun, Reader)
    return {
        "pk": sorted({pk for model in rows for pk in model.objects.values_list("pk", flat=True)} | {0}),
        "computation_pk": [*Computation.objects.values_list("pk", flat=True), 0],
        "test_pk": list(Test.objects.values_list("pk", flat=True)),
        "stage": [1, 0],
        "question": [1, 0],
        "study_pk": [*Study.objects.values_list("pk", flat=True), 0],
        "reader_pk": list(Reader.objects.values_list("pk", flat=True)),
        "uuid": [*(reading.uuid for reading in (*own, *others)), images[0], cases[0], nobody],
        "set-image:uuid": [*images, nobody],
        "read-picture:uuid": [*(reading.uuid for reading in own), others[0].uuid],
        "read-advice:uuid": [*(reading.uuid for reading in own), others[0].uuid],
        "read-advice-picture:uuid": [*(reading.uuid for reading in own), others[0].uuid],
        "number": [1],
        "item": [
            *(item.uuid for item in Item.objects.filter(reading__in=own)),
            *strangers,
            images[0],
            cases[0],
            nobody,
        ],
        "position": [1, 2],
        "token": [planted.token, planted.token[:-1], "x", *(str(user.pk) for user in User.objects.all())],
        "results-figure:fmt": ["svg", "html"],
        "figure": [*FIGURES, "nothing"],
        "results-explained-figure:fmt": ["svg", "html"],
        "results-explained-figure:figure": ["layout", "saliency", "nothing"],
        "case": [1, 10**6],
        "checklist": ["stard-ai", "nothing"],
        "results-checklist:fmt": ["md", "csv"],
        "results-validation-file:fmt": ["csv", "json"],
        "results-table:fmt": ["csv"],
        "results-primary:fmt": ["csv"],
        "results-conditions-figure:fmt": ["svg", "html"],
        "results-conditions-figure:figure": ["change-1", "nothing"],
        "results-conditions-table:fmt": ["csv"],
        "results-conditions-table:table": ["conditions", "nothing"],
        "table": [*SHEETS, "nothing"],
        "uidb36": [int_to_base36(user.pk) for user in User.objects.all()],
        "key": ["set-password", "x-y"],
    }
