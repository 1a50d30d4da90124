"""How far a run is: counted from its rows each time it is asked, and stored nowhere else."""

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from readerstudy.scoring.models import Chunk, RunImage, ScoringRun


@dataclass(frozen=True)
class Progress:
    """How far a run is, counted from its rows. `total` leaves out what was scored before the run (`present`)."""

    done: int
    failed: int
    total: int
    present: int
    images_per_second: float | None  # None until something has come out
    seconds_left: float | None

    @property
    def ended(self) -> int:
        return self.done + self.failed


def progress(run: ScoringRun) -> Progress:
    """Counts, pace since the first claim, and the time that the rest takes at that pace."""
    counts = run.run_images.aggregate(
        total=Count("pk"),
        failed=Count("pk", filter=~Q(error="")),
        done=Count("pk", filter=Q(error="", chunk__state=Chunk.State.DONE)),
    )
    pace = left = None
    ended = counts["done"] + counts["failed"]
    if run.started_at and ended:
        seconds = ((run.finished_at or timezone.now()) - run.started_at).total_seconds()
        pace = ended / seconds if seconds > 0 else None
    if pace and run.is_active:
        left = (counts["total"] - ended) / pace
    return Progress(**counts, present=run.n_present, images_per_second=pace, seconds_left=left)


def failures(run: ScoringRun) -> QuerySet[RunImage]:
    """The images that could not be scored, each with its reason in `error`, by id."""
    return run.run_images.exclude(error="").select_related("image__reference").order_by("image_id")
