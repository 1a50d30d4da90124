"""`manage.py serve`: the embedded system on this machine without the demonstration study, for a study of one's own."""

import argparse
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from readerstudy.demo.embedded import EmbeddedError, Services, free_port, only_one, stop_on_signals


class Command(BaseCommand):
    help = (
        "Runs the whole system on this machine (database, broker, worker, web server, all in the folder var/) without "
        "any study. Make people with manage.py add_user."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *, port: int, **_: Any) -> None:
        stop_on_signals()
        try:
            with only_one(), Services() as services:
                free_port(port)
                call_command("migrate", verbosity=0)
                call_command("collectstatic", interactive=False, verbosity=0)
                services.start_broker()
                services.start_worker()
                services.start_web(port)
                self.stdout.write(
                    f"The reader study runs at http://127.0.0.1:{port} (files: {settings.VAR}). Ctrl-C ends it."
                )
                self.stdout.flush()
                services.watch()
        except EmbeddedError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stdout.write("\nStopped.")
