"""manage.py export_results STUDY --to DIR: the export of the results page, as a folder."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from readerstudy.results.access import model_version_for, record_interim_look
from readerstudy.results.errors import ResultsError
from readerstudy.results.export import write_folder
from readerstudy.results.forms import MIN_REASON
from readerstudy.results.parts import Step
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study


class Command(BaseCommand):
    help = "Write the results of a study into a folder: figures, tables, answers, and a manifest of hashes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", type=int, help="number of the study, as in its address")
        parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="a folder that is new or empty")
        parser.add_argument("--model", metavar="NAME", help="model version (default: the newest that scored the study)")
        parser.add_argument(
            "--look-before-unblinding", metavar="REASON", help="why; recorded. Needed until the study is unblinded"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        study = Study.objects.filter(pk=options["study"]).first()
        if study is None:
            raise CommandError(f"There is no study {options['study']}.")
        if study.state == Study.State.DRAFT:
            raise CommandError(f"“{study}” is a draft: it has no results.")
        model_version = self._model(options["model"], study)
        self._must_be_allowed(study, options["look_before_unblinding"])
        try:
            names = write_folder(study, model_version, options["to"], here=self._watch)
        except ResultsError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{len(names)} files in {options['to']}")

    def _watch(self, what: str, end: float) -> Step:
        return lambda done, total: self.stderr.write(f"{what}: {done} of {total}")

    def _model(self, name: str | None, study: Study) -> ModelVersion | None:
        if name is None:
            return model_version_for(None, study)
        if found := ModelVersion.objects.filter(name=name).first():
            return found
        known = ", ".join(ModelVersion.objects.values_list("name", flat=True)) or "none"
        raise CommandError(f"There is no model {name!r}. Known: {known}.")

    def _must_be_allowed(self, study: Study, reason: str | None) -> None:
        if study.unblinded_at is not None:
            return
        if reason is None or len(reason.strip()) < MIN_REASON:
            raise CommandError(
                f"“{study}” is not unblinded. To look at its results all the same, say why, in {MIN_REASON} characters "
                "or more: --look-before-unblinding REASON. It is recorded."
            )
        record_interim_look(study, user=None, reason=reason.strip())
