"""Starting points: the three tests of Esteva et al. 2017 at their sizes, its two questions, and an analysis plan.

The paper counts the readers below the model's curve and has no formal test. The plan here is the one that asks its
question of other readers and other cases: is the model more sensitive than the average reader, at that reader's own
specificity?
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from readerstudy.images.models import Modality
from readerstudy.studies import plan

Text = str | Promise


@dataclass(frozen=True, slots=True)
class QuestionPreset:
    """A question with its two answers, the first of which counts as positive."""

    key: str
    text: Text
    positive: Text
    negative: Text


@dataclass(frozen=True, slots=True)
class Preset:
    """The nodes of a test; of several alternatives, the first that occurs in the image set is taken."""

    key: str
    title: Text
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    modality: str = ""
    size: int | None = None
    n_positive: int | None = None


QUESTIONS = (
    QuestionPreset(
        "biopsy",
        _("Would you biopsy or treat this lesion, or reassure the patient?"),
        _("Biopsy or treat"),
        _("Reassure the patient"),
    ),
    QuestionPreset("malignant", _("Is this lesion malignant or benign?"), _("Malignant"), _("Benign")),
)

TESTS = (
    Preset(
        "keratinocyte",
        _("Keratinocyte carcinoma against seborrhoeic keratosis"),
        positive=("keratinocyte-carcinoma",),
        negative=("seborrhoeic-keratosis", "benign-keratosis-like-lesion"),
        size=135,
        n_positive=65,
    ),
    Preset(
        "melanoma",
        _("Melanoma against naevus, photographs"),
        positive=("melanoma",),
        negative=("melanocytic-naevus", "benign-melanocytic"),
        modality=Modality.CLINICAL,
        size=130,
        n_positive=33,
    ),
    Preset(
        "dermoscopy",
        _("Melanoma against naevus, dermoscopy"),
        positive=("melanoma",),
        negative=("melanocytic-naevus", "benign-melanocytic"),
        modality=Modality.DERMOSCOPY,
        size=111,
        n_positive=71,
    ),
    Preset("malignant", _("Malignant against benign"), positive=("malignant",), negative=("benign",)),
)

PLAN: dict[str, Any] = {
    "endpoint": plan.SENSITIVITY,
    "method": plan.BOOTSTRAP,
    "hypothesis": plan.SUPERIORITY,
    "margin": 0.0,
    "alpha": 0.05,
    "reference": None,
    "threshold_origin": plan.TEST_SET,
    "threshold": None,
    "threshold_data": "",
    "multiplicity": plan.HOLM,
    "missing": plan.COMPLETE_READERS,
    "average": plan.EVERY_READER,
    "secondary": ["readers", "auc", "specificity"],
    "contrasts": [],
}


def first_present(alternatives: Sequence[str], present: Sequence[str]) -> list[str]:
    """The first of the alternatives that is present, as a list; empty where none is."""
    return [node for node in alternatives if node in present][:1]
