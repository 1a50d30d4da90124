"""`manage.py benchmark_results`: what results cost, as seconds, memory and ratios against named baselines."""

import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from dataclasses import fields
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from readerstudy.results.benchmark import proc
from readerstudy.results.benchmark.drawn import Size
from readerstudy.results.benchmark.rows import make_study
from readerstudy.results.benchmark.statistics import statistics
from readerstudy.results.benchmark.study import from_arrays, from_database, prepare
from readerstudy.studies.models import Study

FILL, PREPARE, READ = "fill", "prepare", "read"


class Command(BaseCommand):
    help = (
        "Time every number of the results' pages for a drawn study, part by part, with the peak of memory, and the "
        "statistics beside named baselines, interleaved. Prints; judges nothing. Use on a machine at rest."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--readers", type=int, default=Size.readers)
        parser.add_argument("--cases", type=int, default=Size.cases)
        parser.add_argument("--images", type=int, default=Size.images, help="of the full set, the cases among them")
        parser.add_argument("--rounds", type=int, default=5, help="of what is compared")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument(
            "--database", action="store_true",
            help="also through the real queries, on a temporary SQLite database (minutes to fill)",
        )  # fmt: skip
        parser.add_argument("--proc", action="store_true", help="the statistics beside pROC's too (R with pROC)")
        parser.add_argument("--statistics-only", action="store_true", help="no study")
        # What this command starts itself with, so that filling and reading have a process and a memory each.
        parser.add_argument("--in-private-database", choices=(FILL, PREPARE, READ), help="internal")

    def handle(self, *args: Any, **options: Any) -> None:
        size = Size(**{field.name: options[field.name] for field in fields(Size)})
        if not 2 <= size.cases <= size.images or size.readers < 2:
            raise CommandError("At least 2 readers and 2 cases are needed, and no more cases than images.")
        if options["in_private_database"]:
            self._private(options["in_private_database"], size, options["seed"])
            return
        self.say(f"{os.cpu_count()} processors; seed {options['seed']}")
        if options["proc"] and not proc.found():
            raise CommandError("There is no Rscript with pROC here (Debian: apt-get install r-cran-proc).")
        statistics(self.say, rounds=options["rounds"], seed=options["seed"], with_proc=options["proc"])
        if options["statistics_only"]:
            return
        from_arrays(self.say, size, seed=options["seed"])
        if options["database"]:
            self._with_database(size, options["seed"])

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _with_database(self, size: Size, seed: int) -> None:
        """Fill and read a database in a folder that is gone afterwards, each by a process of its own."""
        with tempfile.TemporaryDirectory() as folder:
            environment = {
                **os.environ, "READERSTUDY_VAR": folder,
                "READERSTUDY_DATABASE_URL": f"sqlite:///{Path(folder) / 'db.sqlite3'}",
            }  # fmt: skip
            numbers = [f"--{field.name}={getattr(size, field.name)}" for field in fields(Size)]
            for part in (FILL, PREPARE, READ):
                command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "benchmark_results", *numbers]
                command += [f"--seed={seed}", f"--in-private-database={part}"]
                found = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603
                self.stdout.write(found.stdout, ending="")
                if found.returncode:
                    raise CommandError(f"The temporary database could not be used: {part} failed.")

    def _private(self, part: str, size: Size, seed: int) -> None:
        if part == READ:
            from_database(self.say)
            return
        if part == PREPARE:
            prepare(self.say)
            return
        call_command("migrate", verbosity=0)
        if Study.objects.exists():
            raise CommandError("This database holds a study: a drawn one goes into an empty database only.")
        make_study(size, seed=seed, say=lambda what: self.say(f"  (storing {what})"))
