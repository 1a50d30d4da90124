"""The protocol of a study as one document of plain JSON values, and its hash."""

import hashlib
import json
from importlib.metadata import version
from typing import Any

from readerstudy.images.models import ImageSet
from readerstudy.images.truth import taxonomy
from readerstudy.studies.designs import Allotment, Conduct
from readerstudy.studies.eligibility import seed_of
from readerstudy.studies.models import AnalysisPlan, Arm, CaseImage, Question, Stage, Study, Test

FORMAT = "readerstudy protocol 2"
# The columns of `designs`, under the headings of the document.
ALLOTMENT = tuple(field.name for field in Allotment._meta.get_fields())
CONDUCT = tuple(field.name for field in Conduct._meta.get_fields())
DRAWS = ("lesions", "sample", "cases", "practice lesions", "practice", "attention lesions", "attention")


def text_sha256(text: str) -> str:
    """SHA-256 of a text as UTF-8: how a consent text is named in a consent."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def digest(content: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON (keys sorted, no spaces, UTF-8) of a protocol document."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def document(study: Study) -> dict[str, Any]:
    """Everything that defines the study, as plain JSON values; the drawn cases once there are any."""
    tests = study.tests.select_related("image_set", "practice_set", "attention_set", "requires", "study")
    tests = tests.prefetch_related("arms__neighbours_set", "stages__questions__choices")
    planned = plan_of(study)
    return {
        "format": FORMAT,
        "software": {"name": "readerstudy", "version": version("readerstudy")},
        "study": {
            "title": study.title,
            "description": study.description,
            "contact": study.contact,
            "consent": {"text": study.consent_text, "sha256": text_sha256(study.consent_text)},
            "seed": study.seed,
        },
        "taxonomy": {"sha256": taxonomy().sha256},
        "analysis_plan": planned.values.document() if planned else None,
        "tests": [_test(test) for test in tests],
    }


def designs_of(study: Study) -> list[dict[str, Any]]:
    """Of each test what its conditions are made of, as the document has it: without the cases."""
    tests = study.tests.prefetch_related("arms__neighbours_set", "stages__questions__choices")
    return [
        {
            "position": test.position, "title": test.title, "allotment": {"arms_design": test.arms_design},
            "arms": [_arm(arm) for arm in test.arms.all()], "stages": [_stage(stage) for stage in test.stages.all()],
        }
        for test in tests
    ]  # fmt: skip


def plan_of(study: Study) -> AnalysisPlan | None:
    """The analysis plan as the database has it; None: none is written. Of an open study the frozen one counts."""
    return AnalysisPlan.objects.filter(study=study).select_related("study").first()


def _test(test: Test) -> dict[str, Any]:
    return {
        "position": test.position,
        "title": test.title,
        "requires": test.requires.position if test.requires else None,  # the position of that test
        "image_set": _image_set(test.image_set),
        "positive": [_node(node) for node in test.positive_nodes],
        "negative": [_node(node) for node in test.negative_nodes],
        "modality": test.modality,
        "histopathology_only": test.histopathology_only,
        "images_per_case": test.images_per_case,
        "sample": {
            "size": test.sample_size,
            "positives": test.sample_positives,
            "seeds": {draw: seed_of(test, draw) for draw in DRAWS},
        },
        "practice": {"cases": test.practice_cases, "image_set": _image_set(test.practice_set)},
        "attention": {"cases": test.attention_cases, "image_set": _image_set(test.attention_set)},
        # The seed of a reader's own draws: which cases, in which order, in which arm.
        "allotment": {**{name: getattr(test, name) for name in ALLOTMENT}, "seed": seed_of(test, "reader CODE")},
        "conduct": {name: getattr(test, name) for name in CONDUCT},
        "arms": [_arm(arm) for arm in test.arms.all()],
        "stages": [_stage(stage) for stage in test.stages.all()],
        "cases": _cases(test),
    }


def _image_set(images: ImageSet | None) -> dict[str, Any] | None:
    if images is None:
        return None
    return {
        "name": images.name,
        "notice": images.notice,
        "sha256": images.sha256,
        "taxonomy_sha256": images.taxonomy_sha256,
        "n_images": images.n_images,
    }


def _node(node: str) -> dict[str, str]:
    # A node that a later taxonomy has lost has no name; `protocol.changed` then says so.
    return {"id": node, "name": taxonomy().name(node) if node in taxonomy().nodes else ""}


def _arm(arm: Arm) -> dict[str, Any]:
    return {
        "position": arm.position,
        "title": arm.title,
        "advice": arm.advice,
        "model_sha256": arm.model_sha256,
        "wrong_per_cent": arm.wrong_per_cent,
        "neighbours_set": _image_set(arm.neighbours_set),
    }


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "position": stage.position,
        "instruction": stage.instruction,
        "modalities": stage.modalities,
        "shows_facts": stage.shows_facts,
        "shows_advice": stage.shows_advice,
        "questions": [_question(question) for question in stage.questions.all()],
    }


def _question(question: Question) -> dict[str, Any]:
    return {
        "position": question.position,
        "kind": question.kind,
        "text": question.text,
        "is_required": question.is_required,
        "allows_cannot_assess": question.allows_cannot_assess,
        "least": question.least,
        "most": question.most,
        "least_label": question.least_label,
        "most_label": question.most_label,
        "nodes": [_node(node) for node in question.nodes],
        "choices": [
            {
                "position": choice.position,
                "label": choice.label,
                "is_positive": choice.is_positive,
                "node": _node(choice.node) if choice.node else None,
            }
            for choice in question.choices.all()
        ],
    }


def _cases(test: Test) -> list[dict[str, Any]]:
    pictures: dict[int, list[str]] = {}
    shown = CaseImage.objects.filter(case__test=test).order_by("case__number", "position")
    for number, sha256 in shown.values_list("case__number", "image__sha256"):
        pictures.setdefault(number, []).append(sha256)
    told = ("number", "kind", "is_positive", "feedback")
    # As plain values: this is done at each look at the results, and a case as an object costs twenty times as much.
    return [
        {**dict(zip(told, case, strict=True)), "images": pictures.get(case[0], [])}
        for case in test.cases.order_by("number").values_list(*told)
    ]
