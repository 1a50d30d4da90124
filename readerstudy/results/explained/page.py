"""What the page of layout and saliency maps shows, and what must still be computed for it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from django.utils.translation import gettext as _

from readerstudy.accounts.models import User
from readerstudy.images.truth import taxonomy
from readerstudy.results.arrays import CaseTable
from readerstudy.results.explained import words
from readerstudy.results.explained.figures import Pair, layout_figure, saliency_plate
from readerstudy.results.explained.numbers import Embedding, first_of_each, groups_of
from readerstudy.results.explained.shown import Shown, shown_cases
from readerstudy.results.explained.words import Titled
from readerstudy.results.plates import Plate
from readerstudy.results.tables.explained import MapRow, features_of, maps_of, pictures_of, shown_images, square
from readerstudy.scoring.jobs import request_run
from readerstudy.scoring.models import ModelVersion, ScoringRun
from readerstudy.studies.models import Test

KINDS = (ScoringRun.Kind.FEATURES, ScoringRun.Kind.SALIENCY)


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """What a model has made of a test's cases, ``n_features`` of which have features; ``embedding`` is None for fewer
    than four of these, and while a worker computes it."""

    test: Titled
    cases: CaseTable
    model: ModelVersion
    embedding: Embedding | None
    n_features: int
    maps: dict[int, MapRow]

    @property
    def n_missing(self) -> int:
        """Cases that lack features or a map."""
        return self.cases.n - min(self.n_features, len(self.maps))

    def shown(self, most: int | None = None) -> list[Shown]:
        """The cases with a map: all of them, or the ``most`` that a plate has room for."""
        _groups, group = groups_of(self.cases, taxonomy())
        has = [i in self.maps for i in range(self.cases.n)]
        chosen = range(self.cases.n) if most is None else first_of_each(group.tolist(), has, most)
        return shown_cases(self.cases, self.maps, list(chosen), self.model.checkpoint.classes, taxonomy())


def explained(test: Titled, cases: CaseTable, model: ModelVersion, laid: Embedding | None) -> Explained:
    """What is there of a test, read."""
    features = features_of(model, cases)
    n_features = int(np.isfinite(features).all(axis=1).sum()) if features.shape[1] else 0
    return Explained(test, cases, model, laid, n_features, maps_of(model, cases))


def plates(found: Explained, most_maps: int) -> Iterator[Plate]:
    """The figures that there is something for."""
    if found.embedding is not None:
        drawn = layout_figure(found.embedding, pictures_of(found.cases, list(found.embedding.insets)))
        caption = words.layout_caption(found.test, found.embedding, found.model.name)
        yield _plate("layout", caption, drawn)
    shown = found.shown(most_maps)
    pictures = pictures_of(found.cases, [one.index for one in shown])
    shown = [one for one in shown if one.index in pictures]
    pairs = [
        Pair(
            (_("Case %(n)s") % {"n": one.number}, one.diagnosis), pictures[one.index], square(found.maps[one.index].png)
        )
        for one in shown
    ]
    plate = saliency_plate(pairs)
    if plate is not None:
        caption = words.saliency_caption(found.test, shown, found.model.name)
        yield _plate("saliency", caption, plate)


def _plate(name: str, caption: str, figure: go.Figure) -> Plate:
    title = str(words.TITLES[name])
    return Plate(name, title, caption, f"{title}. {caption}", figure)


def ask(test: Test, cases: CaseTable, model: ModelVersion, *, requested_by: User) -> list[ScoringRun]:
    """Have features and saliency maps of the cases' first pictures made, of what is not there yet."""
    images = shown_images(cases)
    return [
        request_run(
            model_version=model, images=images, label=f"{kind.label.capitalize()}: {test.title}",
            requested_by=requested_by, kind=kind,
        )
        for kind in KINDS
    ]  # fmt: skip


def runs_under_way(model: ModelVersion) -> list[ScoringRun]:
    return list(model.runs.filter(kind__in=KINDS, state__in=ScoringRun.ACTIVE).order_by("-created_at"))
