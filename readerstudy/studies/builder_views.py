"""The detail pages of a test in a draft: design, stages, questions, arms; and whole studies: templates, copy, import.

`models` comes from the roof: SHA-256 and name of each registered model, which this room does not know.
"""

from collections.abc import Callable, Mapping
from functools import partial

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from readerstudy.accounts.access import administrator_required, signed_in, staff_required
from readerstudy.accounts.refusals import explained
from readerstudy.images.models import ImageSet
from readerstudy.studies import access, drafting, eligibility, exchange, impossible, protocol, publications, stage_list
from readerstudy.studies.builder_forms import (
    DesignForm,
    ImportForm,
    QuestionForm,
    StageActForm,
    StageForm,
    TemplateForm,
    arm_forms,
    choice_forms,
)
from readerstudy.studies.document import document
from readerstudy.studies.drafts import QuestionDraft, arms_of, stages_of
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.models import Test

SECTION = {"section": "studies"}
Models = Callable[[], Mapping[str, str]]


def _test(request: HttpRequest, pk: int, test_pk: int) -> Test:
    """A test of a draft. Http404, or StudiesError once the study is open."""
    test = access.test_for(request.user, pk, test_pk)
    protocol.refuse_unless_draft(test.study)
    return test


def _page(request: HttpRequest, template: str, test: Test, **context: object) -> HttpResponse:
    return render(request, template, {**SECTION, "study": test.study, "test": test, **context})


# --- one test --------------------------------------------------------------------------------------------------------


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
@explained(StudiesError, back="study")
def design(request: HttpRequest, pk: int, test_pk: int) -> HttpResponse:
    """Who reads what, in which order and arm, and how a reading goes."""
    test = _test(request, pk, test_pk)
    form = DesignForm(request.POST or None, instance=test)
    if form.is_valid():
        drafting.save_test(form.save(commit=False), actor=signed_in(request))
        return redirect(f"{reverse('study', args=[pk])}#test-{test.pk}")
    return _page(request, "studies/design.html", test, form=form)


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
@explained(StudiesError, back="study")
def arms(request: HttpRequest, pk: int, test_pk: int, models: Models) -> HttpResponse:
    """The arms of the test; an emptied row is an arm less."""
    test = _test(request, pk, test_pk)
    rows = arm_forms(request.POST or None, arms_of(test), models())
    if request.method == "POST" and rows.is_valid():
        drafts = [row.draft for row in rows if row.has_changed() or row.initial]
        drafting.save_test(test, arms=[draft for draft in drafts if draft], actor=signed_in(request))
        return redirect(f"{reverse('study', args=[pk])}#test-{test.pk}")
    return _page(request, "studies/arms.html", test, rows=rows, design=test.get_arms_design_display())


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
@explained(StudiesError, back="study")
def stages(request: HttpRequest, pk: int, test_pk: int) -> HttpResponse:
    """The stages with their questions, in order; buttons add, copy, move and remove."""
    test = _test(request, pk, test_pk)
    if request.method == "POST":
        form = StageActForm(request.POST)
        if not form.is_valid():
            raise Http404
        change = partial(stage_list.changed, **form.cleaned_data)
        drafting.change_stages(test, change, actor=signed_in(request))
        return redirect("test-stages", pk, test_pk)
    return _page(request, "studies/stages.html", test, stages=test.stages.prefetch_related("questions__choices"))


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
@explained(StudiesError, back="study")
def stage(request: HttpRequest, pk: int, test_pk: int, stage: int) -> HttpResponse:
    """What one stage shows; `stage` is its position."""
    test = _test(request, pk, test_pk)
    drafts = stages_of(test)
    if not 1 <= stage <= len(drafts):
        raise Http404
    draft = drafts[stage - 1]
    initial = {name: getattr(draft, name) for name in ("instruction", "modalities", "shows_facts", "shows_advice")}
    form = StageForm(request.POST or None, initial=initial, is_first=stage == 1)
    if request.method == "POST" and form.is_valid():
        change = partial(stage_list.with_stage, stage=stage, shown=form.draft(()))
        drafting.change_stages(test, change, actor=signed_in(request))
        return redirect("test-stages", pk, test_pk)
    return _page(request, "studies/stage.html", test, form=form, number=stage)


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
@explained(StudiesError, back="study")
def question(request: HttpRequest, pk: int, test_pk: int, stage: int, question: int) -> HttpResponse:
    """One question of a stage, by its place in it; place 0 is a new one."""
    test = _test(request, pk, test_pk)
    drafts = stages_of(test)
    if not 1 <= stage <= len(drafts) or question > len(drafts[stage - 1].questions):
        raise Http404
    known = drafts[stage - 1].questions[question - 1] if question else None
    data = request.POST or None
    form = QuestionForm(data, initial=QuestionForm.initial_of(known or QuestionDraft("")))
    rows = choice_forms(data, known)
    if request.method == "POST" and form.is_valid() and rows.is_valid():
        draft = form.draft(choice for row in rows if (choice := row.draft))
        refused = impossible.refused_question(draft)
        if not refused:
            change = partial(stage_list.with_question, stage=stage, question=question, asked=draft)
            drafting.change_stages(test, change, actor=signed_in(request))
            return redirect("test-stages", pk, test_pk)
        for sentence in refused:
            form.add_error(None, sentence)
    diagnoses = eligibility.node_counts(test.image_set)
    return _page(
        request, "studies/question.html", test, form=form, rows=rows, number=stage, place=question, diagnoses=diagnoses
    )


# --- a whole study ---------------------------------------------------------------------------------------------------


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
@explained(StudiesError, back="study")
def templates(request: HttpRequest, pk: int, models: Models) -> HttpResponse:
    """Published studies to start from: one click adds their tests."""
    loaded = access.study_for(request.user, pk)
    protocol.refuse_unless_draft(loaded)
    form = TemplateForm(request.POST or None, models=models())
    if form.is_valid():
        values = form.cleaned_data
        added = publications.add_tests(
            values["publication"], study=loaded, image_set=values["images"], model_sha256=values["model_sha256"],
            actor=signed_in(request),
        )  # fmt: skip
        for test in added:
            messages.success(request, _("“%(title)s” was added. Look through it.") % {"title": test.title})
        return redirect("study", pk)
    context = {"study": loaded, "form": form, "publications": publications.PUBLICATIONS, "models": models()}
    return render(request, "studies/templates.html", {**SECTION, **context, "sets": ImageSet.objects.all()})


@administrator_required
@require_POST
@explained(StudiesError, back="study")
def copy(request: HttpRequest, pk: int) -> HttpResponse:
    made = exchange.copy_study(access.study_for(request.user, pk), actor=signed_in(request))
    messages.success(request, _("This is the copy: a draft with a seed of its own."))
    return redirect("study", made.pk)


@staff_required
@require_safe
def protocol_file(request: HttpRequest, pk: int) -> HttpResponse:
    """The protocol as a JSON file: of a draft as it stands, later as it was frozen."""
    loaded = access.study_for(request.user, pk)
    frozen = protocol.frozen(loaded)
    response = JsonResponse(frozen.document if frozen else document(loaded), json_dumps_params={"indent": 1})
    name = slugify(loaded.title) or f"study-{loaded.pk}"
    response["Content-Disposition"] = f'attachment; filename="{name}.protocol.json"'
    return response


@administrator_required
@require_POST
@explained(StudiesError, back="studies")
def import_study(request: HttpRequest, models: Models) -> HttpResponse:
    """A new draft from a protocol's JSON file."""
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        raise StudiesError(_("Choose the JSON file of a protocol."))
    file = form.cleaned_data["file"]
    if file.size > exchange.LARGEST_FILE:
        raise StudiesError(_("The file is larger than %(most)d bytes.") % {"most": exchange.LARGEST_FILE})
    try:
        made = exchange.import_study(
            file.read(), actor=signed_in(request), models=models(), keep_seed=form.cleaned_data["keep_seed"]
        )
    except StudiesError as error:
        told = {"file": file.name, "reason": error}
        raise StudiesError(_("“%(file)s” was not read: %(reason)s") % told, status=error.status) from error
    messages.success(request, _("The protocol was read: this is a draft."))
    return redirect("study", made.pk)
