"""Amendments: a new version with a reason, of what may change, and a silent change of nothing."""

import hashlib
import json
from http import HTTPStatus
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse

from readerstudy.accounts.models import AuditEntry, User
from readerstudy.results.access import record_interim_look
from readerstudy.studies import amendments, exchange, protocol, wording
from readerstudy.studies.amendments import Overtaken
from readerstudy.studies.differences import marked
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import AnalysisPlan, ProtocolVersion, Study
from tests.builders import draft_study, open_study
from tests.conftest import signed_in
from tests.readers.test_two_at_once import at_once
from tests.studies.test_pages import text

WHY = "The ethics committee asked for a telephone number."


@pytest.fixture
def study(administrator: User) -> Study:
    return open_study(administrator, plan={"secondary": ["readers"]})


def amend(study: Study, *, plan: dict[str, Any] | None = None, reason: str = WHY, **texts: str) -> ProtocolVersion:
    in_force = protocol.frozen(study)
    assert in_force is not None
    made = amendments.amend(
        study, base=in_force.sha256, texts=texts, plan=plan or {}, reason=reason, actor=study.created_by
    )
    study.refresh_from_db()
    return made


def plan_values(study: Study, **other: Any) -> dict[str, Any]:
    names = [field.name for field in AnalysisPlan._meta.concrete_fields if field.name not in ("id", "study")]
    return AnalysisPlan.objects.filter(study=study).values(*names).get() | other


def unchanged(study: Study) -> bool:
    return study.protocol_versions.count() == 1 and protocol.changed(study) == []


# --- the act ----------------------------------------------------------------------------------------------------------


def test_an_amendment_is_a_version_that_names_the_one_before_it(study: Study) -> None:
    first = study.protocol_versions.get()
    made = amend(study, contact="Dr. Example, +49 123", consent_text="I agree.\n\nTruly.")
    assert (made.number, made.reason, made.created_by) == (2, WHY, study.created_by)
    # SHA-256 of the canonical JSON, computed here from the stored document.
    canonical = json.dumps(made.document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert made.sha256 == hashlib.sha256(canonical).hexdigest() != first.sha256
    assert made.document["amendment"] == {"number": 1, "of": first.sha256, "reason": WHY}
    assert made.document["tests"] == first.document["tests"]
    assert (study.contact, study.consent_text) == ("Dr. Example, +49 123", "I agree.\n\nTruly.")
    assert protocol.changed(study) == []
    entry = AuditEntry.objects.get(action="study.amended")
    assert entry.details == {
        "version": 2, "protocol_sha256": made.sha256, "changed": ["study.consent.text", "study.contact"],
    }  # fmt: skip
    first.refresh_from_db()
    assert first.document["study"]["contact"] == "Dr. Example, study@example.org"


def test_the_plan_says_of_each_part_which_amendment_it_came_with(study: Study) -> None:
    amend(study, plan=plan_values(study, secondary=["readers", "agreement"]))
    second = amend(study, plan=plan_values(study, margin=0.05), reason="Only a large difference would matter.")
    planned = protocol.plan_in_force(study)
    assert planned is not None
    day = f"{second.created_at:%Y-%m-%d}"
    told = {(one.what, one.amendment, one.date) for one in planned.amended}
    assert told == {("agreement", 1, day), ("primary analysis", 2, day)}
    shown = dict(wording.terms(planned))
    assert shown["Secondary"].endswith(f"agreement between readers (added by amendment 1 on {day})")
    assert "sensitivity and specificity (added" not in shown["Secondary"]
    assert shown["Amended"].startswith(f"the primary analysis was changed by amendment 2 on {day}")
    assert (AnalysisPlan.objects.get(study=study).margin, protocol.changed(study)) == (0.05, [])
    read = exchange.import_study(json.dumps(second.document).encode(), actor=study.created_by)
    imported = protocol.plan_in_force(read)
    assert imported is not None
    assert (imported.margin, imported.amended) == (0.05, ())
    # Taken out, it is exploratory again; and the plan of a copy begins anew.
    amend(study, plan=plan_values(study, secondary=["readers"]), reason="One reader only.")
    planned = protocol.plan_in_force(study)
    assert planned is not None
    assert [one.what for one in planned.amended] == ["primary analysis"]
    copied = protocol.plan_in_force(exchange.copy_study(study, actor=study.created_by))
    assert copied is not None
    assert (copied.margin, copied.amended) == (0.05, ())


def test_what_is_no_amendment_changes_nothing(study: Study) -> None:
    for reason in ("", "  \n"):
        with pytest.raises(StudiesError, match="reason"):
            amend(study, contact="Dr. Other", reason=reason)
    with pytest.raises(StudiesError, match="Nothing is changed"):
        amend(study, contact=study.contact, plan=plan_values(study))
    with pytest.raises(StudiesError, match="empty"):
        amend(study, consent_text=" ")
    assert unchanged(study)
    assert not AuditEntry.objects.filter(action="study.amended").exists()


def test_after_a_look_at_results_the_plan_is_final(study: Study, researcher: User) -> None:
    record_interim_look(study, user=researcher, reason="The safety board asked.")
    with pytest.raises(StudiesError, match="Results were looked at on"):
        amend(study, plan=plan_values(study, margin=0.05))
    assert unchanged(study)
    assert amend(study, contact="Dr. Other").number == 2  # readers may still be told whom to ask


def test_of_a_closed_study_only_the_plan_may_be_amended_and_of_an_unblinded_one_nothing(study: Study) -> None:
    protocol.close_study(study, actor=study.created_by)
    with pytest.raises(StudiesError, match="closed"):
        amend(study, contact="Dr. Other")
    assert unchanged(study)
    assert amend(study, plan=plan_values(study, alpha=0.01)).number == 2
    protocol.unblind_study(study, actor=study.created_by)
    for change in ({"contact": "Dr. Other"}, {"plan": plan_values(study, alpha=0.02)}):
        with pytest.raises(StudiesError, match="unblinded"):
            amend(study, **change)
    assert study.protocol_versions.count() == 2


def test_a_change_behind_the_protocols_back_is_not_made_official(study: Study) -> None:
    Study.objects.filter(pk=study.pk).update(consent_text="Another text, by hand")
    study.refresh_from_db()
    with pytest.raises(StudiesError, match=r"no longer agrees.*study\.consent\.text"):
        amend(study, contact="Dr. Other")
    assert study.protocol_versions.count() == 1


def test_the_database_refuses_to_change_or_delete_a_version(study: Study) -> None:
    made = amend(study, contact="Dr. Other")
    table = ProtocolVersion._meta.db_table
    for statement in (f"UPDATE {table} SET reason = 'better' WHERE id = %s", f"DELETE FROM {table} WHERE id = %s"):
        with pytest.raises(DatabaseError, match="only grows"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [made.pk])
    with pytest.raises(DatabaseError), transaction.atomic():  # nor is there a version without a reason
        ProtocolVersion.objects.create(study=study, number=3, document={}, sha256="0" * 64, created_by=made.created_by)
    made.refresh_from_db()
    assert made.reason == WHY


@pytest.mark.django_db(transaction=True)
def test_of_two_amendments_at_once_one_is_told_of_the_other(administrator: User) -> None:
    study = open_study(administrator)
    base = study.protocol_versions.get().sha256

    def act(contact: str) -> Any:
        try:
            return amendments.amend(
                study, base=base, texts={"contact": contact}, plan={}, reason=WHY, actor=administrator
            ).number
        except Overtaken as error:
            return str(error)

    first, second = sorted(at_once(lambda: act("Dr. One"), lambda: act("Dr. Two")), key=str)
    assert first == 2
    assert "admin@example.org amended the protocol on" in second
    assert study.protocol_versions.count() == 2
    assert protocol.changed(Study.objects.get(pk=study.pk)) == []


# --- the page ---------------------------------------------------------------------------------------------------------


def form_of(client: Client, study: Study) -> dict[str, Any]:
    """What a browser sends of the form as it is shown: every line of a text ends in CR LF."""
    context = client.get(reverse("study-amend", args=[study.pk])).context
    values = {"base": context["in_force"].sha256}
    for form in context["amending"].forms:
        for field in form:
            value = field.value()
            values[field.html_name] = value.replace("\n", "\r\n") if isinstance(value, str) else value
    return {name: value for name, value in values.items() if value is not None} | {"reason": WHY}


def test_the_form_shows_what_it_would_change_and_then_changes_it(administrator_client: Client, study: Study) -> None:
    amend(study, description="Two\n\nparagraphs.")
    address = reverse("study-amend", args=[study.pk])
    values = form_of(administrator_client, study) | {"consent_text": "I agree to take part gladly."}
    asked = administrator_client.post(address, values)
    assert [change.what for change in asked.context["changes"]] == ["Consent text"]
    content = asked.content.decode()
    assert "<del>part.</del><ins>part gladly.</ins>" in content
    assert study.protocol_versions.count() == 2  # nothing is made by looking
    again = administrator_client.post(address, values | {"edit": "1"})
    assert 'name="commit"' not in again.content.decode()
    made = administrator_client.post(address, values | {"commit": "1"}, follow=True)
    assert study.protocol_versions.count() == 3
    page = text(made.content)
    assert (
        f"Amendment 2 {study.protocol_versions.get(number=3).created_at:%Y-%m-%d %H:%M} UTC, admin@example.org" in page
    )
    assert page.count(WHY) == 2
    for version in study.protocol_versions.all():
        assert version.sha256 in page
    # The same sent twice (a second tab, the back button) is told of the first.
    twice = administrator_client.post(address, values | {"commit": "1"})
    assert twice.status_code == HTTPStatus.CONFLICT
    assert "amended the protocol on" in text(twice.content)
    assert "I agree to take part gladly." in text(twice.content)
    assert study.protocol_versions.count() == 3


def test_the_form_refuses_what_is_no_amendment(administrator_client: Client, study: Study) -> None:
    address = reverse("study-amend", args=[study.pk])
    values = form_of(administrator_client, study)
    assert "Nothing is changed." in text(administrator_client.post(address, values).content)
    for wrong, said in (
        ({"contact": "Dr. Other", "reason": " "}, "This field is required."),
        ({"consent_text": ""}, "This field is required."),
        ({"margin": "1.5"}, "At least 0 and below 1"),
    ):
        for act in ({}, {"commit": "1"}):
            assert said in text(administrator_client.post(address, values | wrong | act).content)
    assert unchanged(study)


def test_who_may_amend_what(
    client: Client, administrator_client: Client, researcher_client: Client, outsider_client: Client, study: Study,
    administrator: User,
) -> None:  # fmt: skip
    address = reverse("study-amend", args=[study.pk])
    assert client.get(address).status_code == HTTPStatus.FOUND
    for other in (researcher_client, outsider_client):
        for answer in (other.get(address), other.post(address, {"commit": "1"})):
            assert answer.status_code == HTTPStatus.NOT_FOUND
    assert administrator_client.put(address).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert administrator_client.get(reverse("study-amend", args=[99999])).status_code == HTTPStatus.NOT_FOUND
    draft = draft_study(administrator)
    assert administrator_client.get(reverse("study-amend", args=[draft.pk])).status_code == HTTPStatus.CONFLICT
    protocol.close_study(study, actor=administrator)
    page = text(administrator_client.get(address).content)
    assert "its texts for readers stay as they are" in page
    assert "Primary endpoint" in page
    assert "Consent text" not in page
    protocol.unblind_study(study, actor=administrator)
    assert administrator_client.get(address).status_code == HTTPStatus.CONFLICT
    assert "Amend the protocol" not in text(administrator_client.get(reverse("study", args=[study.pk])).content)
    assert "Versions of the protocol" in text(signed_in(administrator).get(reverse("study", args=[study.pk])).content)


def test_differences_are_marked_between_words() -> None:
    assert marked("I do not agree.", "I do agree, gladly.") == [
        ("same", "I do "), ("removed", "not agree."), ("added", "agree, gladly."),
    ]  # fmt: skip
