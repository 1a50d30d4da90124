"""The protocol of a study: what defines it, what it still lacks, and its way from draft to open, closed, unblinded.

Opening draws every sample, stores it as cases, and freezes all of it as a document with its SHA-256.
"""

from collections.abc import Callable, Collection

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.studies import differences, drawing
from readerstudy.studies.contrasts import wrong_with
from readerstudy.studies.document import designs_of, digest, document, plan_of, text_sha256
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import ProtocolVersion, Study, Test
from readerstudy.studies.plan import Plan
from readerstudy.studies.rules import missing_from_test

__all__ = [
    "StudiesError", "changed", "close_study", "digest", "document", "draft_for_change", "frozen", "missing",
    "missing_from_test", "open_study", "plan_in_force", "plan_of", "refuse_unless_draft", "text_sha256",
    "unblind_study",
]  # fmt: skip

# --- what is missing -------------------------------------------------------------------------------------------------


Advice = Callable[[Test], list[str]]  # what a test's advice still lacks, one sentence each


def missing(study: Study, *, models: Collection[str] | None = None, advice: Advice | None = None) -> list[str]:
    """What the study still lacks before it can be opened, one sentence each; empty: it can be opened.

    `models`: SHA-256 of the models that are registered here. `advice`: what a test still lacks for its advice to be
    shown, which the room above the models knows. None: not looked at.
    """
    lacking = []
    if not study.description.strip():
        lacking.append(_("Say what readers are told about the study."))
    if not study.contact.strip():
        lacking.append(_("Say whom readers can ask."))
    if not study.consent_text.strip():
        lacking.append(_("Write the consent text."))
    written = plan_of(study)
    if written is None:
        lacking.append(_("Write the analysis plan."))
    elif written.contrasts:
        designs = designs_of(study)
        lacking += filter(None, (wrong_with(one, designs) for one in written.values.contrasts))
    tests = list(study.tests.select_related("image_set", "study"))
    if not tests:
        lacking.append(_("Add a test."))
    for test in tests:
        sentences = [*missing_from_test(test), *_unknown_models(test, models), *(advice(test) if advice else ())]
        lacking += [f"{test.title}: {sentence}" for sentence in sentences]
    return lacking


def _unknown_models(test: Test, models: Collection[str] | None) -> list[str]:
    return [
        _("The model of the arm “%(arm)s” (SHA-256 %(hash)s) is not registered here.")
        % {"arm": arm.title, "hash": arm.model_sha256}
        for arm in test.arms.exclude(model_sha256="")
        if models is not None and arm.model_sha256 not in models
    ]


# --- what is in force -----------------------------------------------------------------------------------------------


def frozen(study: Study) -> ProtocolVersion | None:
    """The protocol that is in force; None for a draft."""
    return study.protocol_versions.order_by("-number").first()


def plan_in_force(study: Study) -> Plan | None:
    """The plan of the frozen protocol; of a draft the one written so far. None: there is none."""
    version_in_force = frozen(study)
    if version_in_force is None:
        written = plan_of(study)
        return written.values if written else None
    recorded = version_in_force.document.get("analysis_plan")
    return Plan.of(recorded) if recorded else None


def changed(study: Study) -> list[str]:
    """Where the database no longer agrees with the frozen protocol (paths such as `tests.0.title`); normally empty."""
    version_in_force = frozen(study)
    if version_in_force is None:
        return []
    recorded = version_in_force.document
    # A later version of the software may show an older study.
    now = {**document(study), "software": recorded.get("software")}
    # What only the document of an amendment says.
    if "amendment" in recorded:
        now["amendment"] = recorded["amendment"]
    if "amended" in (recorded.get("analysis_plan") or {}) and now["analysis_plan"] is not None:
        now["analysis_plan"]["amended"] = recorded["analysis_plan"]["amended"]
    paths = sorted(differences.paths(recorded, now)) if recorded != now else []
    return paths if digest(recorded) == version_in_force.sha256 else ["sha256", *paths]


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
def open_study(
    study: Study, *, actor: User, models: Collection[str] | None = None, advice: Advice | None = None
) -> ProtocolVersion:
    """Draw every sample, store it as cases, freeze the protocol. Once: the second of two clicks gets StudiesError.

    `models`, `advice`: as for `missing`.
    """
    locked = draft_for_change(study)
    if lacking := missing(locked, models=models, advice=advice):
        raise StudiesError(_("The study cannot be opened yet.") + " " + " ".join(lacking))
    for test in locked.tests.select_related("image_set", "study"):
        drawing.draw_cases(test)
    locked.state, locked.opened_at = Study.State.OPEN, timezone.now()
    locked.save(update_fields=["state", "opened_at"])
    content = document(locked)
    made = ProtocolVersion.objects.create(
        study=locked, number=1, document=content, sha256=digest(content), created_by=actor
    )
    audit.record("study.opened", actor=actor, target=locked, protocol_sha256=made.sha256)
    study.state, study.opened_at = locked.state, locked.opened_at
    return made


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
