"""A study as a draft of its own: copied, or read from the JSON document of a protocol.

The document is the one that is frozen and hashed (`document`); what was drawn (cases, seeds of draws) is left out.
"""

import json
import secrets
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from readerstudy.accounts import audit
from readerstudy.accounts.models import User
from readerstudy.images.models import ImageSet
from readerstudy.images.truth import taxonomy
from readerstudy.studies import drafting, impossible, presets
from readerstudy.studies.document import ALLOTMENT, CONDUCT, FORMAT, plan_of
from readerstudy.studies.drafts import ArmDraft, ChoiceDraft, QuestionDraft, StageDraft, arms_of, stages_of
from readerstudy.studies.errors import StudiesError, sentences
from readerstudy.studies.models import AnalysisPlan, Question, Study, Test
from readerstudy.studies.plan import Plan
from readerstudy.studies.reading_json import Node

LARGEST_FILE = 10_000_000  # bytes; the protocol of a thousand cases of six images has about 500,000
OWN_COLUMNS = (
    "title", "positive_nodes", "negative_nodes", "modality", "histopathology_only", "sample_size", "sample_positives",
    "images_per_case", "practice_cases", "attention_cases", *ALLOTMENT, *CONDUCT,
)  # fmt: skip
SET_COLUMNS = ("image_set", "practice_set", "attention_set")


@dataclass(frozen=True, slots=True)
class Planned:
    """A test to be written: its columns (image sets resolved), and the position of the test that it requires."""

    position: int
    columns: Mapping[str, Any]
    requires: int | None
    stages: list[StageDraft]
    arms: list[ArmDraft]


# --- copying ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def copy_study(study: Study, *, actor: User) -> Study:
    """A new draft with the same texts, analysis plan and tests, and a seed of its own."""
    title = _("Copy of %(title)s") % {"title": study.title}
    made = Study.objects.create(
        title=title[:200], description=study.description, contact=study.contact, consent_text=study.consent_text,
        seed=secrets.randbelow(drafting.SEED_LIMIT), created_by=actor,
    )  # fmt: skip
    planned = [
        Planned(
            test.position, {name: getattr(test, name) for name in (*OWN_COLUMNS, *SET_COLUMNS)},
            test.requires.position if test.requires else None, stages_of(test), arms_of(test),
        )
        for test in study.tests.select_related(*SET_COLUMNS, "requires")
    ]  # fmt: skip
    if (written := plan_of(study)) is not None:
        drafting.save_plan(made, values={name: getattr(written, name) for name in presets.PLAN}, actor=actor)
    _write_tests(made, planned, actor=actor)
    audit.record("study.copied", actor=actor, target=made, source=study.pk)
    return made


def _write_tests(study: Study, planned: list[Planned], *, actor: User) -> None:
    by_position: dict[int, Test] = {}
    for one in planned:
        if one.position in by_position:
            raise StudiesError(_("Two tests of the protocol have the position %(n)d.") % {"n": one.position})
        test = Test(study=study, position=one.position, **one.columns)
        drafting.save_test(test, stages=one.stages, arms=one.arms, position=one.position, actor=actor)
        by_position[one.position] = test
    for one in planned:
        if one.requires is not None:
            if one.requires not in by_position:
                raise StudiesError(
                    _("Test %(one)d requires test %(other)d, which is not in the protocol.")
                    % {"one": one.position, "other": one.requires}
                )
            by_position[one.position].requires = by_position[one.requires]
            by_position[one.position].save(update_fields=["requires"])


# --- importing -------------------------------------------------------------------------------------------------------


@transaction.atomic
def import_study(
    content: bytes, *, actor: User, models: Collection[str] | None = None, keep_seed: bool = False
) -> Study:
    """A new draft from the JSON of a protocol. Image sets are found by their SHA-256.

    `models`: SHA-256 of the models that are known here (None: not checked). With the seed kept, opening the study draws
    the same cases again. Raises StudiesError that names everything that is missing here, or the first value that cannot
    be read; nothing is stored then.
    """
    root = _root(content)
    about = root.child("study")
    missing = [*_missing_sets(root), *_missing_nodes(root), *_missing_models(root, models)]
    if missing:
        raise StudiesError(" ".join(missing), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    planned = [_planned(test) for test in root.children("tests")]
    analysis = root.optional("analysis_plan")
    study = Study(
        title=about.text("title"), description=about.text("description"), contact=about.text("contact"),
        consent_text=about.child("consent").text("text"), created_by=actor,
        seed=about.whole("seed") if keep_seed else secrets.randbelow(drafting.SEED_LIMIT),
    )  # fmt: skip
    try:
        if refused := [sentence for _column, sentence in impossible.out_of_range(study)]:
            raise ValidationError({"study": refused})
        study.clean_fields(exclude=["opened_at", "closed_at", "unblinded_at"])
    except ValidationError as error:
        raise StudiesError(" ".join(sentences(error)), status=HTTPStatus.UNPROCESSABLE_ENTITY) from error
    study.save()
    if analysis is not None:
        drafting.save_plan(study, values=_analysis_plan(analysis, study), actor=actor)
    _write_tests(study, planned, actor=actor)
    audit.record("study.imported", actor=actor, target=study)
    return study


def _root(content: bytes) -> Node:
    if len(content) > LARGEST_FILE:
        raise StudiesError(_("The file is larger than %(most)d bytes.") % {"most": LARGEST_FILE})
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise StudiesError(_("The file is not JSON: %(reason)s.") % {"reason": error}) from error
    root = Node(value, "")
    if "document" in root.mapping():  # as the API gives it, with its hash
        root = root.child("document")
    if "format" not in root.mapping():
        raise StudiesError(
            _("The file is no protocol: it lacks “format”, which “Protocol as a file” on a study's page writes."),
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
        )
    found = root.text("format")
    if found != FORMAT:
        raise StudiesError(
            _("The file's format is “%(found)s”; this version reads “%(expected)s”.")
            % {"found": found, "expected": FORMAT}
        )
    return root


def _image_sets(root: Node) -> Iterator[Node]:
    for test in root.children("tests"):
        yield test.child("image_set")
        for kind in ("practice", "attention"):
            if (chosen := test.child(kind).optional("image_set")) is not None:
                yield chosen
        for arm in test.children("arms"):
            if (known := _known(arm)) is not None:
                yield known


def _missing_sets(root: Node) -> list[str]:
    wanted = {one.text("sha256"): one.text("name") for one in _image_sets(root)}
    there = set(ImageSet.objects.filter(sha256__in=wanted).values_list("sha256", flat=True))
    return [
        _("The image set “%(name)s” (SHA-256 %(hash)s) is not stored here: upload it first.")
        % {"name": name, "hash": sha256}
        for sha256, name in wanted.items()
        if sha256 not in there
    ]


def _missing_nodes(root: Node) -> list[str]:
    named: dict[str, str] = {}
    for test in root.children("tests"):
        for node in [*test.children("positive"), *test.children("negative"), *_asked_nodes(test)]:
            named[node.text("id")] = node.text("name")
    return [
        _("The taxonomy in use has no node “%(node)s” (%(name)s).") % {"node": node, "name": name or "?"}
        for node, name in named.items()
        if node not in taxonomy().nodes
    ]


def _asked_nodes(test: Node) -> Iterator[Node]:
    for stage in test.children("stages"):
        for question in stage.children("questions"):
            yield from question.children("nodes")
            for choice in question.children("choices"):
                if (node := choice.optional("node")) is not None:
                    yield node


def _missing_models(root: Node, models: Collection[str] | None) -> list[str]:
    if models is None:
        return []
    wanted = {arm.text("model_sha256"): None for test in root.children("tests") for arm in test.children("arms")}
    return [
        _("The model with the SHA-256 %(hash)s, which gives advice, is not registered here.") % {"hash": sha256}
        for sha256 in wanted
        if sha256 and sha256 not in models
    ]


def _planned(test: Node) -> Planned:
    sample, practice, attention = test.child("sample"), test.child("practice"), test.child("attention")
    columns: dict[str, Any] = {
        "title": test.text("title"),
        "positive_nodes": [node.text("id") for node in test.children("positive")],
        "negative_nodes": [node.text("id") for node in test.children("negative")],
        "modality": test.text("modality"),
        "histopathology_only": test.truth("histopathology_only"),
        "images_per_case": test.whole("images_per_case"),
        "sample_size": sample.whole_or_none("size"),
        "sample_positives": sample.whole_or_none("positives"),
        "practice_cases": practice.whole("cases"),
        "attention_cases": attention.whole("cases"),
        "image_set": _image_set(test.child("image_set")),
        "practice_set": _image_set(practice.optional("image_set")),
        "attention_set": _image_set(attention.optional("image_set")),
    }
    for heading, names in (("allotment", ALLOTMENT), ("conduct", CONDUCT)):
        for name in names:
            columns[name] = test.child(heading).of_column(Test, name)
    return Planned(
        test.whole("position"), columns, test.whole_or_none("requires"),
        [_stage(stage) for stage in test.children("stages")], [_arm(arm) for arm in test.children("arms")],
    )  # fmt: skip


def _analysis_plan(node: Node, study: Study) -> dict[str, Any]:
    """The columns of the plan. Raises StudiesError for what is no plan, or none that could be written here."""
    try:
        found = Plan.of({**node.mapping(), "amended": {}})  # a draft begins anew
        values = {name: getattr(found, name) for name in presets.PLAN} | {
            "secondary": list(found.secondary), "contrasts": [one.document() for one in found.contrasts],
        }  # fmt: skip
        AnalysisPlan(study=study, **values).full_clean(exclude=["study"], validate_unique=False)
    except (KeyError, TypeError, ValueError) as error:
        raise node.wrong(_("an analysis plan")) from error
    except ValidationError as error:
        said = f"{node.path}: " + " ".join(sentences(error))
        raise StudiesError(said, status=HTTPStatus.UNPROCESSABLE_ENTITY) from error
    return values


def _image_set(node: Node | None) -> ImageSet | None:
    # Two sets with the same content have the same hash: the older one.
    return None if node is None else ImageSet.objects.filter(sha256=node.text("sha256")).order_by("pk").first()


def _arm(arm: Node) -> ArmDraft:
    return ArmDraft(
        arm.text("title"), arm.text("advice"), arm.text("model_sha256"), arm.whole("wrong_per_cent"),
        _image_set(_known(arm)),
    )  # fmt: skip


def _known(arm: Node) -> Node | None:
    """The image set that the arm's neighbours come from; protocols of before there was any do not say."""
    return arm.optional("neighbours_set") if "neighbours_set" in arm.mapping() else None


def _stage(stage: Node) -> StageDraft:
    return StageDraft(
        questions=tuple(_question(question) for question in stage.children("questions")),
        instruction=stage.text("instruction"), modalities=tuple(stage.texts("modalities")),
        shows_facts=stage.truth("shows_facts"), shows_advice=stage.truth("shows_advice"),
    )  # fmt: skip


def _question(question: Node) -> QuestionDraft:
    read = QuestionDraft(
        question.text("text"),
        nodes=tuple(node.text("id") for node in question.children("nodes")),
        choices=tuple(_choice(choice) for choice in question.children("choices")),
    )
    names = ("kind", "is_required", "allows_cannot_assess", "least", "most", "least_label", "most_label")
    return replace(read, **{name: question.of_column(Question, name) for name in names})


def _choice(choice: Node) -> ChoiceDraft:
    node = choice.optional("node")
    return ChoiceDraft(choice.text("label"), choice.truth_or_none("is_positive"), node.text("id") if node else "")
