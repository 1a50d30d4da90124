"""Published reader studies as starting points: one click makes their tests on an image set; everything stays editable.

Where a publication is simplified, its template's description says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readerstudy.accounts.models import User
from readerstudy.images.models import ImageSet, Modality
from readerstudy.images.truth import taxonomy
from readerstudy.studies import allocation, drafting, eligibility, presets
from readerstudy.studies import plan as planned
from readerstudy.studies.document import plan_of
from readerstudy.studies.drafts import ArmDraft, ChoiceDraft, QuestionDraft, StageDraft, decision
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import Arm, Question, Study, Test
from readerstudy.studies.plan import Contrast, Under

# The seven diagnoses of HAM10000 and of the ISIC 2018 challenge, and whether they count as malignant there.
SEVEN = (
    ("keratinocyte-intraepidermal-neoplasia", gettext_lazy("Actinic keratosis, intraepithelial carcinoma"), True),
    ("basal-cell-carcinoma", gettext_lazy("Basal cell carcinoma"), True),
    ("melanoma", gettext_lazy("Melanoma"), True),
    ("benign-keratosis-like-lesion", gettext_lazy("Benign keratosis-like lesion"), False),
    ("dermatofibroma", gettext_lazy("Dermatofibroma"), False),
    ("melanocytic-naevus", gettext_lazy("Melanocytic naevus"), False),
    ("benign-vascular", gettext_lazy("Vascular lesion"), False),
)


@dataclass(frozen=True, slots=True)
class TestDraft:
    """A test that is not stored yet, with its stages and arms."""

    __test__ = False  # pytest: no test

    test: Test
    stages: Sequence[StageDraft]
    arms: Sequence[ArmDraft] = ()


@dataclass(frozen=True, slots=True)
class Publication:
    """A template. `make` gets the study, the image set and the SHA-256 of a model (empty where none is needed); `plan`
    the position of its (first) test: it is the analysis plan of a study that has none yet."""

    key: str
    title: presets.Text
    source: str
    description: presets.Text
    needs_model: bool
    make: Callable[[Study, ImageSet, str], list[TestDraft]]
    plan: Callable[[int], dict[str, Any]] = lambda _test: presets.PLAN


@transaction.atomic
def add_tests(key: str, *, study: Study, image_set: ImageSet, model_sha256: str = "", actor: User) -> list[Test]:
    """`make`, stored: the tests that were added to the draft."""
    made = make(key, study=study, image_set=image_set, model_sha256=model_sha256)
    for draft in made:
        drafting.save_test(draft.test, stages=draft.stages, arms=draft.arms, actor=actor)
    if plan_of(study) is None:
        publication = next(one for one in PUBLICATIONS if one.key == key)
        drafting.save_plan(study, values=publication.plan(made[0].test.position), actor=actor)
    return [draft.test for draft in made]


def make(key: str, *, study: Study, image_set: ImageSet, model_sha256: str = "") -> list[TestDraft]:
    """The tests of the publication `key` on the images of a set. Raises StudiesError where the set has none of them."""
    publication = next(one for one in PUBLICATIONS if one.key == key)
    if publication.needs_model and not model_sha256:
        raise StudiesError(_("“%(title)s” shows advice: choose a model.") % {"title": publication.title})
    made = publication.make(study, image_set, model_sha256)
    if not made:
        raise StudiesError(
            _("“%(set)s” has no two diagnoses that “%(title)s” compares.")
            % {"set": image_set, "title": publication.title}
        )
    return made


def test_of(preset: presets.Preset, *, study: Study, image_set: ImageSet) -> Test:
    """The preset's test on the set: the nodes that occur, biopsy-proven images if there are any, its size if it fits.

    Nodes may be empty, where the set has none of the preset's.
    """
    counts = {count.node: count for count in eligibility.node_counts(image_set)}
    test = Test(
        study=study, image_set=image_set, title=str(preset.title), modality=preset.modality,
        positive_nodes=presets.first_present(preset.positive, list(counts)),
        negative_nodes=presets.first_present(preset.negative, list(counts)),
        histopathology_only=any(count.n_histopathology for count in counts.values()),
    )  # fmt: skip
    return _sized(test, preset.size, preset.n_positive)


def _sized(test: Test, size: int | None, n_positive: int | None) -> Test:
    """The test with this sample where its images are enough for it, else with all of them."""
    pool = eligibility.pool_of(test)
    if not allocation.shortage(len(pool.positives), len(pool.negatives), size=size, n_positive=n_positive):
        test.sample_size, test.sample_positives = size, n_positive
    return test


def _has_both(test: Test) -> bool:
    pool = eligibility.pool_of(test)
    return bool(pool.positives and pool.negatives)


def _kinds(image_set: ImageSet) -> set[str]:
    return set(image_set.images.order_by().values_list("modality", flat=True).distinct())


def _present(image_set: ImageSet, nodes: Sequence[str]) -> list[str]:
    there = {count.node for count in eligibility.node_counts(image_set)}
    return [node for node in nodes if node in there]


def _esteva(study: Study, image_set: ImageSet, _model: str) -> list[TestDraft]:
    asked = presets.QUESTIONS[0]
    question = decision(str(asked.text), [(str(asked.positive), True), (str(asked.negative), False)])
    tests = [test_of(preset, study=study, image_set=image_set) for preset in presets.TESTS if preset.size]
    return [TestDraft(test, [StageDraft([question])]) for test in tests if _has_both(test)]


def _haenssle(study: Study, image_set: ImageSet, _model: str) -> list[TestDraft]:
    kinds = _kinds(image_set)
    test = Test(
        study=study, image_set=image_set, title=_("Melanoma or benign naevus, at two levels"),
        positive_nodes=_present(image_set, ["melanoma"]),
        negative_nodes=_present(image_set, ["benign-melanocytic"]) or _present(image_set, ["melanocytic-naevus"]),
        images_per_case=max(1, len(kinds)),
    )  # fmt: skip
    if not _has_both(test):
        return []
    questions = (
        decision(
            _("Is this lesion a melanoma or a benign naevus?"), [(_("Melanoma"), True), (_("Benign naevus"), False)]
        ),
        QuestionDraft(
            _("What would you do?"),
            kind=Question.Kind.CLASSES,
            choices=(
                ChoiceDraft(_("Excise it"), True),
                ChoiceDraft(_("Look again in the short term"), False),
                ChoiceDraft(_("Nothing"), False),
            ),
        ),
    )
    dermoscopy_first = (Modality.DERMOSCOPY,) if Modality.DERMOSCOPY in kinds and len(kinds) > 1 else ()
    alone = _("By the dermoscopic picture alone.") if Modality.DERMOSCOPY in kinds else _("By the picture alone.")
    stages = [
        StageDraft(questions, alone, modalities=dermoscopy_first),
        StageDraft(questions, _("Now with what is known of the patient."), shows_facts=True),
    ]
    return [TestDraft(_sized(test, 100, 20), stages)]


def _tschandl(study: Study, image_set: ImageSet, model: str) -> list[TestDraft]:
    test = Test(
        study=study, image_set=image_set, title=_("Seven diagnoses, in batches of 30, with advice"),
        positive_nodes=_present(image_set, [node for node, _label, malignant in SEVEN if malignant]),
        negative_nodes=_present(image_set, [node for node, _label, malignant in SEVEN if not malignant]),
        modality=Modality.DERMOSCOPY if Modality.DERMOSCOPY in _kinds(image_set) else "",
        cases_read=Test.Cases.BATCHES, cases_per_reading=30, positives_per_reading=13, most_readings=10,
    )  # fmt: skip
    if not _has_both(test):
        return []
    classes = tuple(ChoiceDraft(str(label), malignant, node) for node, label, malignant in SEVEN)
    stages = [
        StageDraft([QuestionDraft(_("Which diagnosis is it?"), Question.Kind.CLASSES, classes)]),
        StageDraft(
            [QuestionDraft(_("And now: which diagnosis is it?"), Question.Kind.CLASSES, classes)],
            _("Now with what the model says."),
            shows_advice=True,
        ),
    ]
    return [TestDraft(test, stages, [ArmDraft(_("Probability of each class"), Arm.Advice.CLASSES, model)])]


def _jain(study: Study, image_set: ImageSet, model: str) -> list[TestDraft]:
    roots = taxonomy().roots
    test = Test(
        study=study, image_set=image_set, title=_("Differential diagnosis, every second block with advice"),
        positive_nodes=_present(image_set, ["malignant"]),
        negative_nodes=_present(image_set, [root for root in roots if root != "malignant"]),
        images_per_case=6, arms_design=Test.Arms.ALTERNATING, block_size=50,
    )  # fmt: skip
    if not _has_both(test):
        return []
    facts = StageDraft(
        [QuestionDraft(_("Which diagnoses do you consider, the likeliest first?"), Question.Kind.RANKING, most=3)],
        shows_facts=True,
    )
    final = StageDraft(
        [
            QuestionDraft(_("Your differential diagnosis, the likeliest first"), Question.Kind.RANKING, most=3),
            decision(_("Would you refer or biopsy?"), [(_("Refer or biopsy"), True), (_("Neither"), False)]),
            QuestionDraft(
                _("How confident are you?"), Question.Kind.SCALE, least=1, most=5,
                least_label=_("not at all"), most_label=_("entirely"),
            ),
        ],
        shows_facts=True,
        shows_advice=True,
    )  # fmt: skip
    arms = [ArmDraft(_("Without advice")), ArmDraft(_("With the model's probabilities"), Arm.Advice.CLASSES, model)]
    return [TestDraft(test, [facts, final], arms)]


# --- what decided these studies -------------------------------------------------------------------------------------


def _contrast(test: int, first: Under, second: Under, measure: str, **values: Any) -> Contrast:
    made = Contrast(
        planned.PRIMARY, test, first, second, planned.ALL_ADVICE, measure, planned.OR_RANDOM, planned.SUPERIORITY, 0.0
    )
    return replace(made, **values)


def _between(contrast: Contrast, secondary: list[str]) -> dict[str, Any]:
    """A plan that decides on this contrast alone."""
    return {
        **presets.PLAN, "endpoint": planned.CONDITIONS, "method": "", "hypothesis": "", "threshold_origin": "",
        "secondary": secondary, "contrasts": [contrast.document()],
    }  # fmt: skip


def _haenssle_plan(test: int) -> dict[str, Any]:
    levels = Under(1, 0, 1), Under(2, 0, 3)
    gains = [
        _contrast(test, *levels, measure, role=planned.IS_SECONDARY)
        for measure in (planned.SENSITIVITY, planned.SPECIFICITY)
    ]
    return {
        **presets.PLAN, "endpoint": planned.SPECIFICITY, "secondary": ["readers", "auc", "other questions"],
        "contrasts": [one.document() for one in gains],
    }  # fmt: skip


def _tschandl_plan(test: int) -> dict[str, Any]:
    gain = _contrast(
        test, Under(1, 1, 1), Under(2, 1, 2), planned.CLASS_ACCURACY, method=planned.OR_CASES_FIXED
    )  # fmt: skip
    return _between(gain, ["readers", "subgroups", "stages and arms"])


def _jain_plan(test: int) -> dict[str, Any]:
    return _between(_contrast(test, Under(2, 1, 2), Under(2, 2, 2), "top-1"), ["stages and arms"])


PUBLICATIONS = (
    Publication(
        "esteva",
        gettext_lazy("Esteva 2017"),
        "Esteva et al., Nature 542:115-118 (2017), doi:10.1038/nature21056",
        gettext_lazy(
            "Biopsy-proven images, one a case; each reader decides for each whether to biopsy or treat, or to reassure "
            "the patient. Makes each of the paper's three tests for which the image set has both diagnoses, at the "
            "paper's size where there are so many images. The paper's images were also screened for their resolution "
            "by a dermatologist who read none of the tests."
        ),
        False,
        _esteva,
    ),
    Publication(
        "haenssle",
        gettext_lazy("Haenssle two-level"),
        "Haenssle et al., Ann Oncol 29:1836-1842 (2018), doi:10.1093/annonc/mdy166",
        gettext_lazy(
            "Level I: the dermoscopic picture alone; level II: with what is known of the patient, and with the other "
            "pictures of the lesion where the set has them. At each level a diagnosis and what to do; 100 cases, 20 of "
            "them melanomas, where there are so many. Simplified: the publication had four weeks between the levels, "
            "here the second follows at once; excision alone counts as the positive management; the broader range of "
            "diagnoses of Haenssle et al. 2020 needs other diagnoses to be chosen. Its plan: as in the publication the "
            "model against the readers at level I is primary, and what readers gain at level II secondary; simplified "
            "to specificity at the readers' sensitivity, with tests for other readers and other cases."
        ),
        False,
        _haenssle,
        _haenssle_plan,
    ),
    Publication(
        "tschandl",
        gettext_lazy("Tschandl batches with advice"),
        "Tschandl et al., Lancet Oncol 20:938-947 (2019), doi:10.1016/S1470-2045(19)30333-X; "
        "Tschandl et al., Nat Med 26:1229-1234 (2020), doi:10.1038/s41591-020-0942-0",
        gettext_lazy(
            "Random batches of 30 images, as many as a reader likes; one of seven diagnoses, before and after the "
            "model's probability of each class is shown. Simplified: the batches of the first publication and the "
            "advice of the second are put together; what is fixed in a batch is the number of malignant images (13 of "
            "30, as three of seven diagnoses are), not of each diagnosis; there is no screening test. Its plan: the "
            "share of right diagnoses with advice minus that without, by the paired t test over readers of the second "
            "publication; simplified to one primary comparison."
        ),
        True,
        _tschandl,
        _tschandl_plan,
    ),
    Publication(
        "jain",
        gettext_lazy("Jain crossover"),
        "Jain et al., JAMA Netw Open 4:e217249 (2021), doi:10.1001/jamanetworkopen.2021.7249",
        gettext_lazy(
            "Each reader reads each case once, with or without advice, the arms taking turns after every 50 cases; a "
            "case has up to six pictures and what is known of the patient; the answer is a ranked differential "
            "diagnosis, with referral or biopsy and confidence. Simplified: a first differential is committed before "
            "advice is shown, where the publication showed it from the start; and the stored diagnosis stands for that "
            "of a panel of dermatologists. Its plan: how often the diagnosis named first is right, with advice minus "
            "without; simplified to one group of readers and to an analysis of variance with readers and cases random."
        ),
        True,
        _jain,
        _jain_plan,
    ),
)
