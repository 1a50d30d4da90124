"""The study builder, and after opening the frozen protocol."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from readerstudy.accounts.access import administrator_required, signed_in, staff_required
from readerstudy.accounts.refusals import explained
from readerstudy.images.models import ImageSet
from readerstudy.studies import access, amendments, drafting, overview, protocol, wording
from readerstudy.studies.builder_forms import ImportForm
from readerstudy.studies.document import designs_of
from readerstudy.studies.drafts import StageDraft, stages_of
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.forms import (
    NewStudyForm,
    StartForm,
    StudyForm,
    TestForm,
    initial_from_preset,
    initial_from_test,
)
from readerstudy.studies.models import AnalysisPlan, Arm, Study, Test
from readerstudy.studies.plan_forms import PlanForm

SECTION = {"section": "studies"}
Models = Callable[[], Mapping[str, str]]  # SHA-256 and name of each registered model, given by the roof


@staff_required
@require_http_methods(["GET", "HEAD", "POST"])
def studies(request: HttpRequest) -> HttpResponse:
    """Every study, and a new one by its title."""
    if request.method == "POST" and not signed_in(request).is_administrator:
        raise Http404
    form = NewStudyForm(request.POST or None)
    if form.is_valid():
        made = drafting.create_study(title=form.cleaned_data["title"], actor=signed_in(request))
        return redirect("study", made.pk)
    counts = {"n_tests": Count("tests", distinct=True), "n_readers": Count("readers", distinct=True)}
    known = Study.objects.annotate(**counts).order_by("-created_at")
    context = {**SECTION, "studies": known, "form": form, "import_form": ImportForm()}
    return render(request, "studies/studies.html", context)


@staff_required
@require_safe
def study(request: HttpRequest, pk: int, models: Models, advice: protocol.Advice) -> HttpResponse:
    """A draft: what is set and what is missing. Later: the frozen protocol."""
    loaded = access.study_for(request.user, pk)
    context = {
        **SECTION,
        "study": loaded,
        "tests": overview.tests_of(loaded),
        "missing": _missing(loaded, models, advice) if loaded.state == Study.State.DRAFT else [],
        "has_advice": Arm.objects.filter(test__study=loaded).exclude(advice=Arm.Advice.NONE).exists(),
        "frozen": protocol.frozen(loaded),
        "planned": wording.terms(planned, designs_of(loaded)) if (planned := protocol.plan_in_force(loaded)) else [],
        "changed": protocol.changed(loaded),
        "versions": amendments.history(loaded),
    }
    return render(request, "studies/study.html", context)


def _missing(loaded: Study, models: Models, advice: protocol.Advice) -> list[str]:
    return protocol.missing(loaded, models=models(), advice=advice)


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
@explained(StudiesError, back="study")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The texts and the seed of a draft."""
    loaded = _draft(request, pk)
    form = StudyForm(request.POST or None, instance=loaded)
    if form.is_valid():
        drafting.update_study(loaded, values=form.cleaned_data, actor=signed_in(request))
        return redirect("study", pk)
    # The form has written into `loaded` what was sent; the heading shows what is stored.
    return render(request, "studies/edit.html", {**SECTION, "study": _draft(request, pk), "form": form})


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
@explained(StudiesError, back="study")
def plan(request: HttpRequest, pk: int) -> HttpResponse:
    """The analysis plan of a draft."""
    loaded = _draft(request, pk)
    form = PlanForm(request.POST or None, instance=protocol.plan_of(loaded) or AnalysisPlan(study=loaded))
    if form.is_valid():
        drafting.save_plan(loaded, values=form.values, actor=signed_in(request))
        return redirect("study", pk)
    return render(request, "studies/plan.html", {**SECTION, "study": loaded, "form": form})


def _draft(request: HttpRequest, pk: int) -> Study:
    loaded = access.study_for(request.user, pk)
    protocol.refuse_unless_draft(loaded)
    return loaded


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
@explained(StudiesError, back="study")
def test_add(request: HttpRequest, pk: int) -> HttpResponse:
    """A new test: first its images and a starting point, then the rest."""
    loaded = _draft(request, pk)
    sets = ImageSet.objects.all()
    chosen = StartForm(request.GET) if "images" in request.GET else None
    if chosen is not None and chosen.is_valid():
        image_set = chosen.cleaned_data["images"]
        start, question = chosen.cleaned_data["start"], chosen.cleaned_data["question"]
        form = TestForm(
            request.POST or None,
            instance=Test(study=loaded, image_set=image_set),
            initial=initial_from_preset(image_set, loaded, start, question),
        )
        return _test_page(request, loaded, chosen, form, from_preset=bool(start))
    return render(
        request, "studies/test.html", {**SECTION, "study": loaded, "start": chosen or StartForm(), "sets": sets}
    )


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
@explained(StudiesError, back="study")
def test_edit(request: HttpRequest, pk: int, test_pk: int) -> HttpResponse:
    """A test of a draft; `?images=` moves it to another image set."""
    loaded = _draft(request, pk)
    test = access.test_for(request.user, pk, test_pk)
    chosen = StartForm(request.GET) if "images" in request.GET else None
    initial = initial_from_test(test)
    if chosen is not None and chosen.is_valid():
        test.image_set = chosen.cleaned_data["images"]
        if start := chosen.cleaned_data["start"]:
            initial = initial_from_preset(test.image_set, loaded, start, chosen.cleaned_data["question"])
    start_form = chosen or StartForm(initial={"images": test.image_set_id})
    return _test_page(request, loaded, start_form, TestForm(request.POST or None, instance=test, initial=initial))


def _test_page(
    request: HttpRequest, loaded: Study, start: StartForm, form: TestForm, *, from_preset: bool = False
) -> HttpResponse:
    counting = "count" in request.POST
    if form.is_valid() and not counting:
        test = form.save(commit=False)
        test.positive_nodes = form.cleaned_data["positive_nodes"]
        test.negative_nodes = form.cleaned_data["negative_nodes"]
        drafting.save_test(test, stages=_stages(test, form), actor=signed_in(request), from_preset=from_preset)
        return redirect("study", loaded.pk)
    if counting:
        form.only_count()
    context = {**SECTION, "study": loaded, "start": start, "form": form, "sets": ImageSet.objects.all()}
    return render(request, "studies/test.html", context)


def _stages(test: Test, form: TestForm) -> list[StageDraft] | None:
    """The one question of a simple test as the form has it, and what else its stage has; None: it asks no question."""
    if not form.asks:
        return None
    known = stages_of(test) if test.pk else []
    if not known:
        return [StageDraft([form.decision])]
    (stage,), asked = known, form.decision
    if stage.questions:
        asked = replace(stage.questions[0], text=asked.text, choices=asked.choices)
    return [replace(stage, questions=(asked,))]


@administrator_required
@require_POST
@explained(StudiesError, back="study")
def test_delete(request: HttpRequest, pk: int, test_pk: int) -> HttpResponse:
    test = access.test_for(request.user, pk, test_pk)
    drafting.delete_test(test, actor=signed_in(request))
    messages.success(request, _("“%(title)s” was removed.") % {"title": test.title})
    return redirect("study", pk)


@administrator_required
@require_POST
@explained(StudiesError, back="study")
def open_study(request: HttpRequest, pk: int, models: Models, advice: protocol.Advice) -> HttpResponse:
    loaded = access.study_for(request.user, pk)
    made = protocol.open_study(loaded, actor=signed_in(request), models=models(), advice=advice)
    messages.success(
        request,
        _("The study is open. Its protocol is frozen; its hash begins with %(hash)s.") % {"hash": made.sha256[:12]},
    )
    return redirect("study", pk)


@administrator_required
@require_POST
@explained(StudiesError, back="study")
def close_study(request: HttpRequest, pk: int) -> HttpResponse:
    protocol.close_study(access.study_for(request.user, pk), actor=signed_in(request))
    messages.success(request, _("The study is closed."))
    return redirect("study", pk)


@administrator_required
@require_POST
@explained(StudiesError, back="study")
def unblind_study(request: HttpRequest, pk: int) -> HttpResponse:
    protocol.unblind_study(access.study_for(request.user, pk), actor=signed_in(request))
    messages.success(request, _("The study is unblinded. This is recorded."))
    return redirect("study", pk)
