"""manage.py register_model FILE --name NAME --as EMAIL"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from readerstudy.accounts.models import User
from readerstudy.scoring import jobs
from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.validation import read, register_validation


def researcher(email: str) -> User:
    """The person in whose name a command acts. Raises: CommandError."""
    found = User.objects.filter(email__iexact=email, is_active=True).first()
    if found is None or not found.is_researcher:
        raise CommandError(f"--as {email}: there is no researcher with this e-mail address.")
    return found


class Command(BaseCommand):
    help = "Registers a checkpoint (.safetensors with its metadata) as a model. The same bytes are registered once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the checkpoint")
        parser.add_argument("--name", required=True, help="what figures and tables will call the model")
        parser.add_argument("--validation", metavar="CSV", help="the table.csv of `model_core crossvalidate`")
        parser.add_argument("--as", dest="email", required=True, help="e-mail address of the researcher who does this")

    def handle(self, *, file: str, name: str, email: str, validation: str | None = None, **options: Any) -> None:
        actor, table = researcher(email), Path(validation) if validation else None
        try:
            content = table.read_bytes() if table else b""
            if table:
                read(content, table.name)  # before anything is stored
            version = jobs.register_model(path=file, name=name, created_by=actor)
            if table:
                register_validation(version=version, content=content, file_name=table.name, by=actor)
        except OSError as error:
            raise CommandError(f"{table} cannot be read: {error.strerror}.") from error
        except ScoringError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{version.name}: {version.n_classes} classes, SHA-256 {version.sha256}")
