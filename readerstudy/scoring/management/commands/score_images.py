"""manage.py score_images --set NAME --model NAME --as EMAIL [--wait]"""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from readerstudy.images.models import ImageSet
from readerstudy.scoring import jobs
from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.management.commands.register_model import researcher
from readerstudy.scoring.models import ModelVersion, ScoringRun


class Command(BaseCommand):
    help = "Asks the workers for a model's scores of every image of a set; images that it has scored are left out."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--set", dest="image_set", required=True, help="name of the image set")
        parser.add_argument("--model", required=True, help="name of the model")
        parser.add_argument("--as", dest="email", required=True, help="e-mail address of the researcher who does this")
        parser.add_argument("--wait", action="store_true", help="show the progress, and return when the run has ended")

    def handle(self, *, image_set: str, model: str, email: str, wait: bool, **options: Any) -> None:
        found = ImageSet.objects.filter(name=image_set).first()
        if found is None:
            raise CommandError(f"--set {image_set}: there is no image set of this name. {_known(ImageSet)}")
        version = ModelVersion.objects.filter(name=model).first()
        if version is None:
            raise CommandError(f"--model {model}: there is no model of this name. {_known(ModelVersion)}")
        try:
            run = jobs.request_run(
                model_version=version, images=found.images.all(), label=f"All images of the set “{found}”",
                requested_by=researcher(email),
            )  # fmt: skip
        except ScoringError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Run {run.pk}: {run.n_images} images, {run.n_present} of them scored before.")
        if wait:
            self._wait(run)

    def _wait(self, run: ScoringRun) -> None:
        state = jobs.progress(run)
        with tqdm(total=state.total, unit="image", file=self.stderr, disable=None) as bar:
            while True:
                run.refresh_from_db()
                state = jobs.progress(run)
                bar.update(state.ended - bar.n)
                if not run.is_active:
                    break
                time.sleep(0.5)
        for failure in jobs.failures(run):
            self.stderr.write(f"{failure.image.reference.original_name}: {failure.error}")
        if run.state != ScoringRun.State.DONE:
            raise CommandError(f"The run has {run.get_state_display()}. {run.error}")
        self.stdout.write(f"{state.done} images scored, {state.failed} failed.")


def _known(model: type[ImageSet] | type[ModelVersion]) -> str:
    names = list(model.objects.values_list("name", flat=True)[:10])
    return f"There are: {'; '.join(names)}." if names else "There is none yet."
