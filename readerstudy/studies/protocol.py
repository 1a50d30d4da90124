"""The protocol of a study: what defines it, what it still lacks, and its way from draft to open, closed, unblinded.

Opening draws every sample, stores it as cases, and freezes all of it as a document with its SHA-256.
"""

import hashlib
import json
from importlib.metadata import version
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.images.truth import taxonomy
from readerstudy.studies import allocation, eligibility
from readerstudy.studies.eligibility import seed_of
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import AnalysisPlan, Case, CaseImage, ProtocolVersion, Question, Study, Test
from readerstudy.studies.plan import Plan

__all__ = [
    "StudiesError", "changed", "close_study", "digest", "document", "draft_for_change", "frozen", "missing",
    "missing_from_test", "open_study", "plan_in_force", "plan_of", "refuse_unless_draft", "text_sha256",
    "unblind_study",
]  # fmt: skip

FORMAT = "readerstudy protocol 1"


def text_sha256(text: str) -> str:
    """SHA-256 of a text as UTF-8: how a consent text is named in a consent."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def digest(content: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON (keys sorted, no spaces, UTF-8) of a protocol document."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


# --- what is missing -------------------------------------------------------------------------------------------------


def missing(study: Study) -> list[str]:
    """What the study still lacks before it can be opened, one sentence each; empty: it can be opened."""
    lacking = []
    if not study.description.strip():
        lacking.append(_("Say what readers are told about the study."))
    if not study.contact.strip():
        lacking.append(_("Say whom readers can ask."))
    if not study.consent_text.strip():
        lacking.append(_("Write the consent text."))
    if plan_of(study) is None:
        lacking.append(_("Write the analysis plan."))
    tests = list(study.tests.select_related("image_set", "study"))
    if not tests:
        lacking.append(_("Add a test."))
    for test in tests:
        lacking += [f"{test.title}: {sentence}" for sentence in missing_from_test(test)]
    return lacking


def missing_from_test(test: Test) -> list[str]:
    """What one test still lacks."""
    lacking = _missing_questions(list(test.questions.prefetch_related("choices")))
    if not test.positive_nodes or not test.negative_nodes:
        return [*lacking, _("Choose at least one positive and one negative diagnosis.")]
    try:
        if both := eligibility.overlap(test.positive_nodes, test.negative_nodes):
            return [*lacking, _("“%(names)s” is both positive and negative.") % {"names": "”, “".join(both)}]
        pool = eligibility.pool_of(test)
        short = allocation.shortage(
            len(pool.positives), len(pool.negatives), size=test.sample_size, n_positive=test.sample_positives
        )
    except StudiesError as error:
        return [*lacking, str(error)]
    if short:
        lacking.append(eligibility.shortage_sentence(short, test.image_set))
    for what, there in ((_("positive"), pool.positives), (_("negative"), pool.negatives)):
        if not there:
            lacking.append(
                _("The image set “%(set)s” has no %(what)s image that fits.") % {"set": test.image_set, "what": what}
            )
    if pool.contradicted:
        lacking.append(
            _("The lesion “%(lesion)s” in “%(set)s” has both positive and negative images (%(n)d such lesions).")
            % {"lesion": pool.contradicted[0], "set": test.image_set, "n": len(pool.contradicted)}
        )
    return lacking


def _missing_questions(questions: list[Question]) -> list[str]:
    if not questions:
        return [_("Write the question.")]
    lacking = []
    for question in questions:
        signs = [choice.is_positive for choice in question.choices.all()]
        if len(signs) != 2 or sum(signs) != 1:
            lacking.append(
                _("The question “%(text)s” needs two answers, one of which counts as positive.")
                % {"text": question.text}
            )
    return lacking


# --- the document ----------------------------------------------------------------------------------------------------


def document(study: Study) -> dict[str, Any]:
    """Everything that defines the study, as plain JSON values; the drawn cases once there are any."""
    tests = study.tests.select_related("image_set", "study").prefetch_related("questions__choices")
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
        "tests": [_test_document(test) for test in tests],
    }


def plan_of(study: Study) -> AnalysisPlan | None:
    """The analysis plan as the database has it; None: none is written. Of an open study the frozen one counts."""
    return AnalysisPlan.objects.filter(study=study).select_related("study").first()


def plan_in_force(study: Study) -> Plan | None:
    """The plan of the frozen protocol; of a draft the one written so far. None: there is none."""
    version_in_force = frozen(study)
    if version_in_force is None:
        written = plan_of(study)
        return written.values if written else None
    recorded = version_in_force.document.get("analysis_plan")
    return Plan.of(recorded) if recorded else None


def _test_document(test: Test) -> dict[str, Any]:
    pictures = CaseImage.objects.filter(case__test=test).order_by("case__number", "position")
    cases: dict[int, list[str]] = {}
    for number, sha256 in pictures.values_list("case__number", "image__sha256"):
        cases.setdefault(number, []).append(sha256)
    return {
        "position": test.position,
        "title": test.title,
        "image_set": {
            "name": test.image_set.name,
            "notice": test.image_set.notice,
            "sha256": test.image_set.sha256,
            "taxonomy_sha256": test.image_set.taxonomy_sha256,
            "n_images": test.image_set.n_images,
        },
        "positive": [_node_document(node) for node in test.positive_nodes],
        "negative": [_node_document(node) for node in test.negative_nodes],
        "modality": test.modality,
        "histopathology_only": test.histopathology_only,
        "images_per_lesion": 1,
        "sample": {
            "size": test.sample_size,
            "positives": test.sample_positives,
            "seeds": {draw: seed_of(test, draw) for draw in ("lesions", "sample", "cases")},
        },
        "order": {"method": "random for each reader", "seed": seed_of(test, "reader CODE")},
        "questions": [
            {
                "position": question.position,
                "text": question.text,
                "choices": [
                    {"position": choice.position, "label": choice.label, "is_positive": choice.is_positive}
                    for choice in question.choices.all()
                ],
            }
            for question in test.questions.all()
        ],
        "cases": [{"number": number, "images": images} for number, images in cases.items()],
    }


def _node_document(node: str) -> dict[str, str]:
    # A node that a later taxonomy has lost has no name; `changed` then says so.
    return {"id": node, "name": taxonomy().name(node) if node in taxonomy().nodes else ""}


def frozen(study: Study) -> ProtocolVersion | None:
    """The protocol that is in force; None for a draft."""
    return study.protocol_versions.order_by("-number").first()


def changed(study: Study) -> list[str]:
    """Where the database no longer agrees with the frozen protocol (paths such as `tests.0.title`); normally empty."""
    version_in_force = frozen(study)
    if version_in_force is None:
        return []
    recorded = version_in_force.document
    # A later version of the software may show an older study.
    now = {**document(study), "software": recorded.get("software")}
    paths = sorted(_differences(recorded, now, ""))
    return paths if digest(recorded) == version_in_force.sha256 else ["sha256", *paths]


def _differences(one: Any, other: Any, path: str) -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        found = []
        for key in one.keys() | other.keys():
            found += _differences(one.get(key), other.get(key), f"{path}.{key}" if path else key)
        return found
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            different
            for index, (left, right) in enumerate(zip(one, other, strict=True))
            for different in _differences(left, right, f"{path}.{index}")
        ]
    return [] if one == other else [path]


# --- from state to state ---------------------------------------------------------------------------------------------


def draft_for_change(study: Study) -> Study:
    """The study's row, locked until the end of the transaction. Raises StudiesError unless it is a draft."""
    locked = Study.objects.select_for_update().get(pk=study.pk)
    refuse_unless_draft(locked)
    return locked


def refuse_unless_draft(study: Study) -> None:
    """Raise StudiesError, saying since when the protocol is frozen, unless the study is a draft."""
    if study.state != Study.State.DRAFT:
        raise StudiesError(
            _("The study “%(title)s” was opened on %(when)s. From then on its protocol is frozen.")
            % {"title": study.title, "when": f"{study.opened_at:%Y-%m-%d %H:%M} UTC"}
        )


@transaction.atomic
def open_study(study: Study, *, actor: User) -> ProtocolVersion:
    """Draw every sample, store it as cases, freeze the protocol. Once: the second of two clicks gets StudiesError."""
    locked = draft_for_change(study)
    if lacking := missing(locked):
        raise StudiesError(_("The study cannot be opened yet.") + " " + " ".join(lacking))
    for test in locked.tests.select_related("image_set", "study"):
        _draw_cases(test)
    locked.state, locked.opened_at = Study.State.OPEN, timezone.now()
    locked.save(update_fields=["state", "opened_at"])
    content = document(locked)
    made = ProtocolVersion.objects.create(
        study=locked, number=1, document=content, sha256=digest(content), created_by=actor
    )
    audit.record("study.opened", actor=actor, target=locked, protocol_sha256=made.sha256)
    study.state, study.opened_at = locked.state, locked.opened_at
    return made


def _draw_cases(test: Test) -> None:
    pool = eligibility.pool_of(test)
    sample = allocation.draw_sample(
        pool.positives,
        pool.negatives,
        size=test.sample_size,
        n_positive=test.sample_positives,
        seed=seed_of(test, "sample"),
    )
    # A second draw: neither a case's number nor the order of its row tells anything of the first.
    order = allocation.draw_order(sample, seed=seed_of(test, "cases"))
    cases = Case.objects.bulk_create(Case(test=test, number=number) for number in range(1, len(order) + 1))
    CaseImage.objects.bulk_create(
        CaseImage(case=case, image_id=image) for case, image in zip(cases, order, strict=True)
    )


@transaction.atomic
def close_study(study: Study, *, actor: User) -> None:
    """No reader is invited and no answer taken from now on. Raises StudiesError unless the study is open."""
    # Waits for answers that are being stored, so that none is later than `closed_at`.
    Study.objects.select_for_update().get(pk=study.pk)
    now = timezone.now()
    if not Study.objects.filter(pk=study.pk, state=Study.State.OPEN).update(state=Study.State.CLOSED, closed_at=now):
        raise StudiesError(_("Only an open study can be closed; “%(title)s” is not open.") % {"title": study.title})
    audit.record("study.closed", actor=actor, target=study)
    study.state, study.closed_at = Study.State.CLOSED, now


@transaction.atomic
def unblind_study(study: Study, *, actor: User) -> None:
    """From now on answers and truth are seen together: recorded, once, and only when no more answers can come."""
    now = timezone.now()
    waiting = Study.objects.filter(pk=study.pk, state=Study.State.CLOSED, unblinded_at=None)
    if not waiting.update(unblinded_at=now):
        raise StudiesError(
            _("“%(title)s” must be closed, and not unblinded yet, to be unblinded.") % {"title": study.title}
        )
    audit.record("study.unblinded", actor=actor, target=study)
    study.unblinded_at = now
