"""Models and runs, for researchers."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from readerstudy.accounts.access import researcher_required
from readerstudy.accounts.models import User
from readerstudy.images.truth import taxonomy
from readerstudy.scoring import jobs
from readerstudy.scoring.access import model_for, run_for
from readerstudy.scoring.errors import ScoringError
from readerstudy.scoring.forms import ModelForm, ValidationForm
from readerstudy.scoring.models import ModelVersion, ScoringRun
from readerstudy.scoring.validation import MOST_BYTES, register_validation, rows_of

FAILURES_SHOWN = 100
PATIENCE = timedelta(seconds=20)  # a run that no worker has taken for so long gets a hint


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def models(request: HttpRequest) -> HttpResponse:
    """The models that there are, and the form that registers one more."""
    form, status = ModelForm(), 200
    if request.method == "POST":
        form, status = ModelForm(request.POST, request.FILES), 400
        if form.is_valid():
            try:
                version = _register(request, form)
            except ScoringError as error:
                form.add_error(error.field or None, str(error))
                status = error.status
            else:
                return redirect("model", version.pk)
    context = {"form": form, "versions": ModelVersion.objects.select_related("created_by"), "section": "models"}
    return render(request, "scoring/models.html", context, status=status)


def _register(request: HttpRequest, form: ModelForm) -> ModelVersion:
    name = form.cleaned_data["name"]
    with form.checkpoint_path() as path:
        version = jobs.register_model(path=path, name=name, created_by=_actor(request))
    if version.name != name:
        messages.info(request, _("These weights were registered before, under the name %s.") % version.name)
    return version


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def model(request: HttpRequest, pk: int) -> HttpResponse:
    """A model's card: what it says of itself, how it did over folds, and what it was used for."""
    version = model_for(request.user, pk)
    form, status = ValidationForm(), 200
    if request.method == "POST":
        form, status = ValidationForm(request.POST, request.FILES), 400
        if form.is_valid():
            file = form.cleaned_data["table"]
            try:
                register_validation(
                    version=version, content=file.read(MOST_BYTES + 1), file_name=file.name, by=_actor(request)
                )
            except ScoringError as error:
                form.add_error("table", str(error))
            else:
                return redirect("model", pk)
    described = version.checkpoint
    own = described.taxonomy()
    context = {
        "version": version,
        "described": described,
        "classes": [(own.class_name(c), len(c.diseases), c.n_images) for c in described.classes],
        "preprocessing": described.preprocessing.items(),
        "can_check_leaks": jobs.can_check_leaks(version),
        "same_taxonomy": described.taxonomy_sha256 == taxonomy().sha256,
        "runs": version.runs.select_related("requested_by"),
        "validation": version.validations.select_related("created_by").first(),
        "rows": rows_of(version),
        "form": form,
        "section": "models",
    }
    return render(request, "scoring/model.html", context, status=status)


@researcher_required
@require_safe
def run(request: HttpRequest, pk: int) -> HttpResponse:
    """A run: how far it is, what failed and why. Its progress alone, where the page asks for it again."""
    row = run_for(request.user, pk)
    if getattr(request, "htmx", False):
        response = render(request, "scoring/progress.html", _progress(row))
        if not row.is_active:
            response["HX-Refresh"] = "true"  # the whole page has more to say now
        return response
    failures = jobs.failures(row)
    context = _progress(row) | {
        "failures": failures[:FAILURES_SHOWN],
        "n_more_failures": max(0, failures.count() - FAILURES_SHOWN),
        "n_in_training": len(row.in_training),
        "can_check_leaks": jobs.can_check_leaks(row.model_version),
        "section": "models",
    }
    return render(request, "scoring/run.html", context)


def _progress(row: ScoringRun) -> dict[str, Any]:
    state = jobs.progress(row)
    left = state.seconds_left
    return {
        "run": row,
        "progress": state,
        "seconds_left": None if left is None or left >= 90 else max(1, round(left)),
        "minutes_left": None if left is None or left < 90 else round(left / 60),
        "no_worker": row.state == ScoringRun.State.QUEUED and timezone.now() - row.created_at > PATIENCE,
    }


@researcher_required
@require_POST
def run_stop(request: HttpRequest, pk: int) -> HttpResponse:
    row = run_for(request.user, pk)
    if not jobs.stop_run(row, actor=_actor(request)):
        messages.info(request, _("The run had ended before it could be stopped."))
    return redirect("run", row.pk)


@researcher_required
@require_POST
def run_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask once more for the images of a run that ended without their scores."""
    row = run_for(request.user, pk)
    left = list(row.run_images.values_list("image_id", flat=True))
    try:
        again = jobs.request_run(
            model_version=row.model_version, images=left, label=row.label, requested_by=_actor(request)
        )
    except ScoringError as error:
        messages.error(request, str(error))
        return redirect("run", row.pk)
    return redirect("run", again.pk)


def _actor(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # the decorator has seen to it
    return request.user
