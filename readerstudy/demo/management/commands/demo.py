"""`manage.py demo`: a whole study on this machine, in one command."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from readerstudy.demo.embedded import EmbeddedError, Services, free_port, only_one, stop_on_signals
from readerstudy.demo.material import MaterialError
from readerstudy.demo.populate import DemoError, Demonstration, populate


class Command(BaseCommand):
    help = (
        "Runs the whole system on this machine (database, broker, worker, web server, all in the folder var/) with a "
        "demonstration study filled in. Running it again resumes; deleting var/ is a clean slate."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--prepare-only", action="store_true", help="fill in and exit 0")
        parser.add_argument("--images", type=Path, help="a folder with labels.csv, in place of drawn pictures")
        parser.add_argument("--weights", type=Path, help="a pretrained backbone, .safetensors or .pth")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *, images: Path | None, weights: Path | None, port: int, prepare_only: bool, **_: Any) -> None:
        if weights and not weights.is_file():
            raise CommandError(f"--weights: there is no file {weights}")
        if images and not images.is_dir():
            raise CommandError(f"--images: there is no folder {images}")
        stop_on_signals()
        try:
            with only_one(), Services() as services:
                if not prepare_only:
                    free_port(port)
                call_command("migrate", verbosity=0)
                call_command("collectstatic", interactive=False, verbosity=0)
                services.start_broker()
                services.start_worker()
                made = populate(images=images, weights=weights, bar=_bar, alive=services.check)
                if prepare_only:
                    self.stdout.write(f"The demonstration study is filled in: {settings.VAR}")
                    return
                services.start_web(port)
                self._greet(made, port)
                services.watch()
        except (EmbeddedError, MaterialError, DemoError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stdout.write("\nStopped. `manage.py demo` goes on where this left off.")

    def _greet(self, made: Demonstration, port: int) -> None:
        address = f"http://127.0.0.1:{port}"
        notes = made.notes.values
        self.stdout.write(
            f"\n  The reader study runs at {address}\n\n"
            f"  administrator  administrator@demo.example  password {notes['administrator']}\n"
            f"  researcher     researcher@demo.example     password {notes['researcher']}\n"
            f"  reader         {address}{notes['reader_link']}\n"
            "                 (the link works once; then: reader@demo.example, with a code sent by e-mail,\n"
            f"                 which here is a file in {settings.VAR / 'mail'})\n\n"
            "  Ctrl-C stops everything.\n"
        )


@contextmanager
def _bar(description: str, total: int | None = None) -> Iterator[Callable[[int, int], None]]:
    with tqdm(desc=description, total=total, unit="", dynamic_ncols=True) as shown:

        def progress(done: int, of: int) -> None:
            shown.total = of
            shown.update(done - shown.n)

        yield progress
