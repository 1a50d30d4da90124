"""What a model says of a case, as plain values that are stored when they are first shown, and shown again from there.

Shared with nobody: `told` is called for a case whose advice is due (see `door`), and looks at the model's output alone.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_core.taxonomy import TaxonomyError, TrainingClass
from readerstudy.advice import known
from readerstudy.advice.errors import AdviceError
from readerstudy.advice.turning import turned_classes, turned_probability
from readerstudy.images.truth import taxonomy
from readerstudy.readings.models import Item
from readerstudy.scoring.models import ModelVersion
from readerstudy.scoring.scores import scores_of
from readerstudy.studies.models import Arm, CaseImage, Choice, Question, Stage, Test

CLASSES_SHOWN = 5  # of the model's own, where no question has diagnoses to choose from


def told(item: Item, arm: Arm, stage: Stage) -> dict[str, Any]:
    """What is told of the item's case in this arm, as JSON values.

    Always "advice", "model" (SHA-256), "wrong" (turned on purpose) and "stage"; and of a probability "of" (nodes) and
    "probability" (None: the model gives neither side any); of classes "rows" of [name, probability or None]; of
    neighbours "images" of [uuid of the image, its diagnosis, cosine], the nearest first; of saliency "pictures", the
    positions of the case's pictures. Raises AdviceError where the model has not looked at the case.
    """
    model = ModelVersion.objects.filter(sha256=arm.model_sha256).first()
    if model is None:
        raise AdviceError(f"The model {arm.model_sha256} is not registered here.")
    test = Test.objects.select_related("study").get(pk=arm.test_id)
    pictures = dict(CaseImage.objects.filter(case=item.case_id).order_by("position").values_list("image", "position"))
    wrong = item.advice_is_wrong
    found: dict[str, Any] = {"advice": arm.advice, "model": model.sha256, "wrong": wrong, "stage": stage.position}
    if arm.advice == Arm.Advice.PROBABILITY:
        share = _share(model, test, list(pictures))
        found |= {"of": test.positive_nodes, "probability": turned_probability(share) if wrong else share}
    elif arm.advice == Arm.Advice.CLASSES:
        found["rows"] = _classes(model, test, stage, _probabilities(model, list(pictures)), wrong=wrong)
    elif arm.advice == Arm.Advice.NEIGHBOURS:
        # Turned: from the side on which the model does not see the case.
        side = None if not wrong else (_share(model, test, list(pictures)) or 0.0) < 0.5
        found["images"] = known.nearest(arm, model, list(pictures), side=side)
    else:
        found["pictures"] = _with_maps(model, pictures)
    return found


def _probabilities(model: ModelVersion, images: list[int]) -> NDArray[np.float32]:
    """(pictures, classes) of the case. Raises AdviceError where a picture has no score."""
    scores = scores_of(model, images)
    if missing := [image for image in images if image not in scores]:
        raise AdviceError(f"“{model}” has no score of image {missing[0]}.")
    return np.array([scores[image] for image in images], np.float32)


def _share(model: ModelVersion, test: Test, images: list[int]) -> float | None:
    """P(positive) restricted to the test's nodes, the mean over the case's pictures: as the results have it."""
    try:
        shares = taxonomy().restricted_share(
            model.checkpoint.classes, _probabilities(model, images), test.positive_nodes, test.negative_nodes
        )
    except TaxonomyError as error:
        raise AdviceError(str(error)) from error
    share = float(shares.mean())
    return None if np.isnan(share) else share


# --- classes ---------------------------------------------------------------------------------------------------------


def _classes(
    model: ModelVersion, test: Test, stage: Stage, probabilities: NDArray[np.float32], *, wrong: bool
) -> list[list[Any]]:
    """[name, probability] of each choice of the question about classes; without one of the likeliest classes."""
    classes = model.checkpoint.classes
    choices = choices_of(test, stage)
    try:
        if choices:
            nodes = [choice.node for choice in choices]
            names, values = [choice.label for choice in choices], sums(classes, probabilities, nodes)
        else:
            nodes = [one.node for one in classes]
            names = [taxonomy().class_name(one) for one in classes]
            values = [float(value) for value in probabilities.mean(axis=0)]
    except TaxonomyError as error:
        raise AdviceError(str(error)) from error
    if wrong:
        told_sides = [choice.is_positive for choice in choices] or [None] * len(nodes)
        sides = [_side(test, node) if said is None else said for said, node in zip(told_sides, nodes, strict=True)]
        values = turned_classes(values, sides)
    order = list(range(len(values)))
    if not choices:
        order = sorted(order, key=lambda index: (-(values[index] or 0.0), index))[:CLASSES_SHOWN]
    return [[names[index], values[index]] for index in order]


def choices_of(test: Test, stage: Stage | None = None) -> list[Choice]:
    """The choices with a diagnosis of the question about classes, of this stage if it has one; empty: none is asked."""
    asked = Question.objects.filter(test=test, kind=Question.Kind.CLASSES).order_by("position")
    questions = sorted(asked, key=lambda question: stage is None or question.stage_id != stage.pk)
    for question in questions:
        if choices := list(question.choices.exclude(node="").order_by("position")):
            return choices
    return []


def sums(
    classes: tuple[TrainingClass, ...], probabilities: NDArray[np.float32], nodes: list[str]
) -> list[float | None]:
    """P of each node, summed up the tree, the mean over the pictures; None where the model has no class under it.

    Raises TaxonomyError for a node that contains part of a training class.
    """
    values = taxonomy().sum_probabilities(classes, probabilities, nodes).mean(axis=0)
    n_classes = taxonomy().sum_probabilities(classes, np.eye(len(classes)), nodes).sum(axis=0)  # under each node
    return [float(value) if n else None for value, n in zip(values, n_classes.tolist(), strict=True)]


def _side(test: Test, node: str) -> bool | None:
    above = {node, *taxonomy().ancestors(node)}
    if above & set(test.positive_nodes):
        return True
    return False if above & set(test.negative_nodes) else None


# --- saliency --------------------------------------------------------------------------------------------------------


def _with_maps(model: ModelVersion, pictures: dict[int, int]) -> list[int]:
    there = set(model.saliency_maps.filter(image__in=pictures).values_list("image", flat=True))
    if missing := [image for image in pictures if image not in there]:
        raise AdviceError(f"“{model}” has no saliency map of image {missing[0]}.")
    return list(pictures.values())
