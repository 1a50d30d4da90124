"""What the demonstration asks: the paper's three tests, at the paper's sizes (Esteva et al. 2017, Fig. 3)."""

from dataclasses import dataclass

from readerstudy.demo.drawing import Look
from readerstudy.images.models import Modality

STUDY_TITLE = "Demonstration: a neural network and simulated readers on the same images"
MODEL_NAME = "Demonstration: Inception v3, last layer fitted"
DRAWN_NOTICE = "The pictures of this demonstration are drawn by a program. They show no patient."
SEED = 2017


@dataclass(frozen=True)
class PlannedTest:
    """One test of the demonstration study, and how its readers are simulated."""

    key: str
    title: str
    modality: Modality
    positive_nodes: tuple[str, ...]
    negative_nodes: tuple[str, ...]
    n_cases: int  # read, of these
    n_positive: int
    n_readers: int
    # when drawn: how, labelled as what, and how many of each class there are to sample from
    look: Look
    drawn_positive: str
    drawn_negative: str
    pool_positive: int
    pool_negative: int


TESTS = (
    PlannedTest(
        "epidermal", "Keratinocyte carcinoma or benign keratosis", Modality.CLINICAL,
        ("malignant-epidermal",), ("benign-epidermal",), 135, 65, 25,
        Look.KERATOTIC, "squamous-cell-carcinoma", "seborrhoeic-keratosis", 90, 95,
    ),
    PlannedTest(
        "melanocytic", "Melanoma or nevus, photographs", Modality.CLINICAL,
        ("melanoma",), ("benign-melanocytic",), 130, 33, 22,
        Look.PIGMENTED, "melanoma", "melanocytic-naevus", 45, 130,
    ),
    PlannedTest(
        "dermoscopy", "Melanoma or nevus, dermoscopy", Modality.DERMOSCOPY,
        ("melanoma",), ("benign-melanocytic",), 111, 71, 21,
        Look.DERMOSCOPIC, "melanoma", "melanocytic-naevus", 100, 60,
    ),
)  # fmt: skip

QUESTION = "What would you do?"
CHOICES = (("Biopsy or treat", True), ("Reassure the patient", False))

DESCRIPTION = (
    "You see one picture of a skin lesion at a time and decide what you would do. "
    "A computer program has judged the same pictures; this study compares its judgement with yours."
)
CONSENT = (
    "Taking part is voluntary. You can stop at any time without giving a reason; what you answered until then is kept "
    "under a code. Your name and e-mail address are known to the study administrator only and appear in no result. "
    "Your answers are compared with the reference diagnosis and with a computer program, and may be published in a "
    "form in which nobody can recognise you."
)

ADVISED_TITLE = "Demonstration: simulated readers before and after a model's advice"
ADVISED_DESCRIPTION = (
    "You see one picture of a skin lesion at a time and decide what you would do. Then you are told how likely a "
    "computer program thinks it malignant, and decide again. In this demonstration the readers are simulated: whom the "
    "program contradicts changes to its side the more often the surer it is, and some follow it more than others."
)
AGAIN = "And now: what would you do?"
N_ADVISED_READERS, N_ADVISED_CASES = 8, 30
