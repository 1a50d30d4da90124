"""Amending a protocol that is frozen: a new version with a reason, never a silent change.

What may be amended:

- while the study is open, the texts for readers: title, description, whom to ask, consent text. Who agreed to another
  consent text is asked again before the next case (`readers.consent`).
- until the study is unblinded, the analysis plan, but only as long as nobody has looked at results: a plan that is
  changed by someone who may know the numbers is no plan. After a recorded look the amendment is refused. (ICH E9,
  section 5.1, lets a plan be updated up to the breaking of the blind, with a record of when each was.) What an
  amendment added carries its number and its date wherever the plan is shown.

What may not: whatever was drawn, shown or asked. Seeds, image sets, diagnoses, cases, arms, stages and questions stay
as they were frozen, for readers have read by them: another design is another study (`exchange.copy_study`). How many
readers are invited is not in the protocol, and needs no amendment.

Each version holds the hash of the one before it, so that the last hash stands for the whole history.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from readerstudy.accounts import audit
from readerstudy.accounts.models import AuditEntry, User
from readerstudy.studies.contrasts import wrong_with
from readerstudy.studies.differences import Change, changes, decided
from readerstudy.studies.document import designs_of, digest, plan_of, text_sha256
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import AnalysisPlan, ProtocolVersion, Study
from readerstudy.studies.plan import IS_SECONDARY, PRIMARY, PRIMARY_ANALYSIS, Plan
from readerstudy.studies.protocol import changed, frozen

# The act by which results are looked at before unblinding: done in the results' room, and it fixes the plan here.
LOOKED = "results.looked_before_unblinding"
TEXTS = ("title", "description", "contact", "consent_text")


@dataclass(frozen=True, slots=True)
class Scope:
    """What may be amended now; `plan_refused` says why the plan may not, "" where it may."""

    texts: bool
    plan: bool
    plan_refused: str


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a protocol, with what it changed (nothing, of the first)."""

    row: ProtocolVersion
    changes: list[Change]

    @property
    def amendment(self) -> int:
        """1, 2, ... of an amendment; 0: as it was opened."""
        return self.row.number - 1


class Overtaken(StudiesError):  # noqa: N818 - a refusal as any other
    """The protocol was amended since what is sent was shown."""


# --- what was ---------------------------------------------------------------------------------------------------------


def history(study: Study) -> list[Version]:
    """Every version, the first one first."""
    rows = list(study.protocol_versions.order_by("number").select_related("created_by"))
    found = [Version(row, []) for row in rows[:1]]
    for before, row in itertools.pairwise(rows):
        found.append(Version(row, changes(before.document, row.document)))
    return found


def scope_of(study: Study) -> Scope:
    """What may be amended now. Raises StudiesError where nothing may: of a draft, once unblinded, or where the database
    no longer agrees with what an amendment would start from."""
    if study.state == Study.State.DRAFT:
        raise StudiesError(_("“%(title)s” is a draft: change it as you like.") % {"title": study.title})
    if study.unblinded_at is not None:
        raise StudiesError(
            _("“%(title)s” is unblinded: its protocol is final. Copy the study to plan another one.")
            % {"title": study.title}
        )
    different = [path for path in changed(study) if path == "sha256" or path.startswith(("study.", "analysis_plan"))]
    if different:
        raise StudiesError(
            _("The database no longer agrees with the frozen protocol in: %(paths)s. Find out why before you amend it.")
            % {"paths": ", ".join(different)}
        )
    refused = _why_no_plan(study)
    return Scope(texts=study.state == Study.State.OPEN, plan=not refused, plan_refused=refused)


def _why_no_plan(study: Study) -> str:
    if plan_of(study) is None:
        return _("This protocol was opened without an analysis plan: every result is exploratory.")
    looks = AuditEntry.objects.filter(action=LOOKED, target_type=Study._meta.label_lower, target_id=str(study.pk))
    if first := looks.order_by("pk").first():
        return _("Results were looked at on %(when)s: since then the analysis plan cannot be amended.") % {
            "when": f"{first.at:%Y-%m-%d %H:%M} UTC"
        }
    return ""


# --- what will be -----------------------------------------------------------------------------------------------------


def proposed(study: Study, *, base: str, texts: Mapping[str, str], plan: Mapping[str, Any]) -> list[Change]:
    """What an amendment to these values would change. Raises StudiesError as `amend` does."""
    in_force = _in_force(study, base)
    return changes(in_force.document, _amended(study, in_force, texts, plan, "", timezone.now()))


@transaction.atomic
def amend(
    study: Study, *, base: str, texts: Mapping[str, str], plan: Mapping[str, Any], reason: str, actor: User
) -> ProtocolVersion:
    """Make the next version of the protocol: `texts` has fields of `TEXTS`, `plan` those of `AnalysisPlan` (either may
    be empty: it stays as it is); `base` is the SHA-256 of the version that they were changed from.

    Raises StudiesError: Overtaken, where another version is in force now; without a reason; where nothing is changed;
    for what may not be amended now. Nothing is changed then.
    """
    locked = Study.objects.select_for_update().get(pk=study.pk)
    in_force = _in_force(locked, base)
    if not reason.strip():
        raise StudiesError(_("Give the reason of the amendment."), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    content = _amended(locked, in_force, texts, plan, reason.strip(), timezone.now())
    paths = decided(in_force.document, content)
    if not paths:
        raise StudiesError(_("Nothing is changed."), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    _write(locked, content, plan if content["analysis_plan"] != in_force.document["analysis_plan"] else {})
    made = ProtocolVersion.objects.create(
        study=locked, number=in_force.number + 1, document=content, sha256=digest(content), reason=reason.strip(),
        created_by=actor,
    )  # fmt: skip
    audit.record(
        "study.amended", actor=actor, target=locked, version=made.number, protocol_sha256=made.sha256, changed=paths
    )
    return made


def _in_force(study: Study, base: str) -> ProtocolVersion:
    in_force = frozen(study)
    if in_force is None:
        raise StudiesError(_("“%(title)s” is a draft: change it as you like.") % {"title": study.title})
    if in_force.sha256 != base:
        raise Overtaken(
            _("%(who)s amended the protocol on %(when)s, after you had opened this page. Look at it again.")
            % {"who": in_force.created_by, "when": f"{in_force.created_at:%Y-%m-%d %H:%M} UTC"}
        )
    return in_force


def _amended(
    study: Study, before: ProtocolVersion, texts: Mapping[str, str], plan: Mapping[str, Any], reason: str, now: datetime
) -> dict[str, Any]:
    """The next document: the one in force with other texts and another plan, and no other difference."""
    scope = scope_of(study)
    if texts and not scope.texts:
        raise StudiesError(_("The study is closed: nobody reads its texts any more."))
    if plan and not scope.plan:
        raise StudiesError(scope.plan_refused)
    recorded = before.document
    return {
        **recorded,
        "software": {"name": "readerstudy", "version": version("readerstudy")},
        "study": _texts(recorded["study"], texts),
        "analysis_plan": _plan(study, recorded["analysis_plan"], plan, number=before.number, now=now),
        "amendment": {"number": before.number, "of": before.sha256, "reason": reason},
    }


def _texts(before: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    now = {**before, **{name: given[name] for name in given if name != "consent_text"}}
    consent = given.get("consent_text", before["consent"]["text"])
    now["consent"] = {"text": consent, "sha256": text_sha256(consent)}
    for name, text in (*now.items(), ("consent_text", consent)):
        if name in TEXTS and not str(text).strip():
            raise StudiesError(_("No text for readers can be left empty."), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return now


def _plan(
    study: Study, before: dict[str, Any] | None, given: Mapping[str, Any], *, number: int, now: datetime
) -> dict[str, Any] | None:
    """The plan's document with, of each thing that was not in the first version, the amendment that it came with."""
    if not given or before is None:
        return before
    proposed = AnalysisPlan(study=study, **{"contrasts": before.get("contrasts", []), **given}).values
    designs = designs_of(study) if proposed.contrasts else []
    if wrong := [said for one in proposed.contrasts if (said := wrong_with(one, designs))]:
        raise StudiesError(" ".join(wrong), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    after = {**proposed.document(), "bootstrap": before["bootstrap"]}
    if sorted(after["secondary"]) == sorted(before["secondary"]):
        after["secondary"] = before["secondary"]
    stamp = {"amendment": number, "date": f"{now:%Y-%m-%d}"}
    known = dict(before.get("amended", {}))
    was, is_now = Plan.of(before), Plan.of(after)
    if _primary(was) != _primary(is_now):
        known[PRIMARY_ANALYSIS] = stamp
    named = [*after["secondary"], *(one.key for one in is_now.contrasts_of(IS_SECONDARY))]
    old = [*before["secondary"], *(one.key for one in was.contrasts_of(IS_SECONDARY))]
    known |= {name: stamp for name in named if name not in old}
    kept = {name: known[name] for name in known if name == PRIMARY_ANALYSIS or name in named}
    return {**after, "amended": kept} if kept else after


def _primary(planned: Plan) -> Plan:
    """What decides the primary endpoints: all of a plan that is not named as secondary."""
    return replace(planned, secondary=(), amended=(), contrasts=planned.contrasts_of(PRIMARY))


def _write(study: Study, content: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    """The study's rows as the new document has them."""
    about = content["study"]
    study.title, study.description, study.contact = about["title"], about["description"], about["contact"]
    study.consent_text = about["consent"]["text"]
    study.save(update_fields=list(TEXTS))
    if plan:
        values = {**plan, "secondary": content["analysis_plan"]["secondary"]}
        AnalysisPlan.objects.filter(study=study).update(**values)
