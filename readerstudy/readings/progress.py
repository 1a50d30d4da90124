"""Where a reading stands: the case to be read now and the one after it, and nothing else."""

from dataclasses import dataclass

from django.db.models import Prefetch

from readerstudy.readings.models import Item, Reading
from readerstudy.studies.models import CaseImage, Choice, Question

# The case being read, and exactly one ahead of it, which the browser fetches meanwhile.
ITEMS_IN_SIGHT = 2


@dataclass(frozen=True, slots=True)
class Standing:
    """What the page of a reading needs. `current` is None when every case is read."""

    reading: Reading
    total: int
    current: Item | None
    next: Item | None
    questions: list[Question]

    @property
    def answered(self) -> int:
        return self.total if self.current is None else self.current.position - 1


def current_item(reading: Reading) -> Item | None:
    """The first case without an answer, None if there is none: the only one that can be answered."""
    return reading.items.unanswered().order_by("position").first()


def upcoming(reading: Reading) -> list[Item]:
    """The cases in sight, each with its pictures: the current one and the one after it.

    Cases are answered in their order, so the unanswered ones are the last ones.
    """
    pictures = (
        CaseImage.objects.order_by("position")
        .select_related("image")
        .only("case", "position", "image__width", "image__height")
    )
    items = reading.items.unanswered().order_by("position").select_related("case")
    return list(items.prefetch_related(Prefetch("case__case_images", pictures))[:ITEMS_IN_SIGHT])


def standing(reading: Reading) -> Standing:
    """Where this reading stands at this moment."""
    items = upcoming(reading)
    choices = Choice.objects.order_by("position").only("question", "position", "label")
    return Standing(
        reading=reading,
        total=reading.items.count(),
        current=items[0] if items else None,
        next=items[1] if len(items) > 1 else None,
        questions=list(reading.test.questions.order_by("position").prefetch_related(Prefetch("choices", choices))),
    )
