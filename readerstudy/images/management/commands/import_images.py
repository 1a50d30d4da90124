"""manage.py import_images ARCHIVE MANIFEST --name NAME --as EMAIL: what the upload page does, in one go."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from readerstudy.accounts.models import User
from readerstudy.images.errors import ImagesError
from readerstudy.images.upload import import_archive


class Command(BaseCommand):
    help = "Make an image set from a ZIP of images and a manifest CSV: all of it, or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("archive", type=Path, help="ZIP of images")
        parser.add_argument("manifest", type=Path, help="CSV: file, diagnosis, confirmation, modality, ...")
        parser.add_argument("--name", required=True, help="name of the image set")
        parser.add_argument("--as", dest="email", required=True, help="e-mail address of the administrator who does it")
        parser.add_argument("--description", default="", help="where the images come from")
        parser.add_argument("--notice", default="", help="shown wherever these images are")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email__iexact=options["email"], is_administrator=True, is_active=True).first()
        if user is None:
            raise CommandError(f"There is no administrator with the address {options['email']}.")
        with tqdm(unit="picture", disable=None) as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            try:
                made = import_archive(
                    archive=options["archive"], manifest=options["manifest"], name=options["name"],
                    description=options["description"], notice=options["notice"], created_by=user, progress=progress,
                )  # fmt: skip
            except ImagesError as error:
                bar.close()
                for problem in error.problems:
                    self.stderr.write(str(problem))
                raise CommandError(str(error)) from error
        self.stdout.write(f"{made.name}: {made.n_images} images, SHA-256 {made.sha256}")
