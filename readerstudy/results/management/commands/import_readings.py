"""manage.py import_readings STUDY --format FORMAT FILE --as EMAIL: published reader data into an open study's test."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from readerstudy.accounts.models import User
from readerstudy.results.errors import ResultsError
from readerstudy.results.importing.formats import DECIDING, FORMATS, Options
from readerstudy.results.importing.matching import import_readings
from readerstudy.studies.models import Study, Test


class Command(BaseCommand):
    help = "Bring readings that took place elsewhere into a test of an open study: all of the file, or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", type=int, help="number of the study, as in its address")
        parser.add_argument("file", type=Path, help="the file with the answers")
        parser.add_argument(
            "--format", required=True, choices=FORMATS, dest="fmt",
            help="long: CSV with reader, case, answer and, if known, question, position, revision, answered_at; imrmc; "
            "mclass: a row an image, a column a reader; dermachallenge: semicolons and decimal commas",
        )  # fmt: skip
        parser.add_argument("--as", dest="email", required=True, help="e-mail address of the administrator who does it")
        parser.add_argument("--check", action="store_true", help="say what would be stored, and store nothing")
        parser.add_argument(
            "--test", type=int, default=None, help="position of the test (needed where there are several)"
        )
        parser.add_argument(
            "--cases", choices=("auto", "number", "name"), default="auto", help="what the file calls a case by"
        )
        parser.add_argument(
            "--listed-cases-only", action="store_true", help="a case without a row was not asked of that reader"
        )
        parser.add_argument("--modality", default="", help="imrmc: the modality to take")
        parser.add_argument("--threshold", type=float, default=None, help="imrmc: a rating from here on is positive")
        parser.add_argument("--column", choices=sorted(DECIDING), default="manage", help="dermachallenge: what decides")
        parser.add_argument("--ignore", action="append", default=[], help="mclass: a column that is no reader's")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email__iexact=options["email"], is_administrator=True, is_active=True).first()
        if user is None:
            raise CommandError(f"There is no administrator with the address {options['email']}.")
        path: Path = options["file"]
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
        chosen = Options(options["modality"], options["threshold"], options["column"], tuple(options["ignore"]))
        test = _test(options["study"], options["test"])
        try:
            made = import_readings(
                test=test, content=content, file=path.name, fmt=options["fmt"], actor=user, options=chosen,
                by=options["cases"], listed_only=options["listed_cases_only"], check=options["check"],
            )  # fmt: skip
        except ResultsError as error:
            raise CommandError(str(error)) from error
        told = "Checked, nothing stored" if options["check"] else "Stored"
        self.stdout.write(
            f"{told}: {made.n_readers} readers, {made.n_answers} answers, {made.n_missing} cases not answered; "
            f"{made.n_left_out} rows of the file not used."
        )


def _test(study_pk: int, position: int | None) -> Test:
    study = Study.objects.filter(pk=study_pk).first()
    if study is None:
        raise CommandError(f"There is no study {study_pk}.")
    tests = {test.position: test for test in study.tests.select_related("study", "image_set")}
    if position is None and len(tests) == 1:
        return next(iter(tests.values()))
    if position is None or position not in tests:
        raise CommandError(f"Choose a test by --test: {', '.join(f'{n} ({test})' for n, test in tests.items())}.")
    return tests[position]
