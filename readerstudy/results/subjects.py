"""What is computed of a study once for the same inputs, and how: numbers, a layout, and files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _

from readerstudy.images.truth import taxonomy
from readerstudy.readings.models import Reading
from readerstudy.results.analysis import analyse, analyse_tests
from readerstudy.results.errors import ResultsError
from readerstudy.results.explained.layouts import laid_out
from readerstudy.results.explained.numbers import embedding
from readerstudy.results.files import StoredFile, at, source, stored
from readerstudy.results.models import Computation
from readerstudy.results.parts import Step, a_core_each
from readerstudy.results.rendering import drawn_from, unavailable
from readerstudy.results.sheets import DETAILED, LONG_FORM, SHEETS
from readerstudy.results.supplement.numbers import supplement
from readerstudy.results.tables import study_tables
from readerstudy.results.tables.cases import case_table
from readerstudy.results.tables.explained import features_of
from readerstudy.results.tables.inputs import Inputs, inputs, seen_by
from readerstudy.results.tables.packed import keep_ended
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study, Test

What = Computation.What


@dataclass(frozen=True, slots=True)
class Subject:
    """What is computed, of what. ``test`` belongs to a supplement, a layout, a table and a figure, ``question`` (its
    position) to a supplement and a figure, ``name`` (of the file) to a table, an export and a figure, ``language`` to
    an export. ``figure``: the hash of a figure's finished content and of what it belongs to; `files.source` has it."""

    what: Computation.What
    study: Study
    model_version: ModelVersion | None
    test: Test | None = None
    question: int = 0
    name: str = ""
    language: str = ""
    figure: str = ""

    @classmethod
    def of(cls, row: Computation) -> "Subject":
        """What a row asks for."""
        figure = row.inputs_sha256 if row.what == What.FIGURE else ""
        about = (row.test, row.question, row.name, row.language, figure)
        return cls(Computation.What(row.what), row.study, row.model_version, *about)

    @property
    def columns(self) -> dict[str, Any]:
        return {
            "what": self.what, "study": self.study, "model_version": self.model_version, "test": self.test,
            "question": self.question, "name": self.name, "language": self.language,
        }  # fmt: skip

    def inputs(self) -> Inputs:
        if self.what == What.FIGURE:
            return Inputs(self.figure, 0, 0)
        also: list[Any] = []
        if self.what in (What.EXPORT, What.TABLE):
            also += [self.name, self.language]
        if self.what in (What.EXPORT, What.LAYOUT):
            also.append(seen_by(self.model_version, self.study))
        if self.what == What.EXPORT:
            also.append(unavailable())
        return inputs(self.study, self.model_version, what=self.what, test=self.test, question=self.question, also=also)

    def compute(self, step: Step) -> Any:
        """From the tables, read now. ``step`` is told of each part and may stop it all by raising."""
        if self.what not in (What.LAYOUT, What.FIGURE):
            keep_ended(Reading.objects.filter(test__study=self.study))
        ways: dict[str, Callable[[Step], Any]] = {
            What.RESULTS: self._results, What.SUPPLEMENT: self._supplement, What.LAYOUT: self._layout,
            What.EXPORT: self._export, What.TABLE: self._table, What.FIGURE: self._figure,
        }  # fmt: skip
        with a_core_each():
            return ways[self.what](step)

    def _results(self, step: Step) -> Any:
        step(0, 2)
        tables = study_tables(self.study, self.model_version)
        step(1, 2)
        return analyse(tables)

    def _supplement(self, step: Step) -> Any:
        assert self.test is not None
        tables = study_tables(self.study, self.model_version, only_test=self.test.pk, detailed=True, named=False)
        (table,), (test,) = tables.tests, analyse_tests(tables.tests, tables.plan)
        return supplement(table, test, self.question, step=step)

    def _layout(self, step: Step) -> Any:
        assert self.test is not None
        assert self.model_version is not None
        step(0, 2)
        cases = case_table(self.test)
        features = features_of(self.model_version, cases)
        step(1, 2)
        return (embedding(cases, taxonomy(), features, lay_out=laid_out),)  # which may be None

    def _table(self, step: Step) -> StoredFile:
        assert self.test is not None
        step(0, 3)
        table, _dot, fmt = self.name.rpartition(".")
        tables = study_tables(
            self.study, self.model_version, only_test=self.test.pk, detailed=table in DETAILED,
            long_form=table in LONG_FORM,
        )  # fmt: skip
        step(1, 3)
        sheet = SHEETS[table](analyse_tests(tables.tests, tables.plan)[0], tables.tests[0])
        step(2, 3)
        return stored(self.inputs().sha256, fmt, [sheet.to_csv() if fmt == "csv" else sheet.to_json()])

    def _export(self, step: Step) -> StoredFile:
        from readerstudy.results.export import write_zip  # which asks `computing` for every number

        with translation.override(self.language), write_zip(self.study, self.model_version, step=step) as archive:
            step(99, 100)  # who has lost the lease meanwhile must not touch the file that another one has stored
            return stored(self.inputs().sha256, "zip", iter(lambda: archive.read(1 << 20), b""))

    def _figure(self, step: Step) -> StoredFile:
        content = source(self.figure)
        if content is None:
            raise ResultsError(_("This figure is not there any more. Ask for it again, from its page."))
        (path,) = drawn_from([(content, self.name.rpartition(".")[2])], step)
        return at(path)
