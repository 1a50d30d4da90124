"""The worker's side of what a page does not wait for. No torch here."""

import logging

from celery import shared_task

from readerstudy.readings.models import Reading
from readerstudy.results import computing
from readerstudy.results.tables.packed import keep_ended

log = logging.getLogger(__name__)

READINGS_A_SWEEP = 200  # of 1,000 answers each: some seconds


@shared_task(name="readerstudy.results.tasks.compute", soft_time_limit=3000, time_limit=3060)
def compute(computation_id: int) -> None:
    """Claim a computation and do it. A second message for the same finds nothing to do."""
    row = computing.claim(computation_id)
    if row is not None:
        computing.work(row)


@shared_task(name="readerstudy.results.tasks.sweep", soft_time_limit=60, time_limit=90)
def sweep() -> None:
    """Ring again for computations that no worker comes for, and keep the answers of readings that have ended; run by
    beat every READERSTUDY_SWEEP_SECONDS."""
    if rung := computing.sweep():
        log.info("rang again for %s computations", rung)
    keep_ended(Reading.objects.all(), most=READINGS_A_SWEEP)
