"""The first page: what is mine to do now. It looks into every room, so it lives in the one that may."""

from django.contrib.auth.decorators import login_required
from django.db.models import Count, F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from readerstudy.readings.models import Reading
from readerstudy.studies.models import Study


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    readings = (
        Reading.objects.filter(reader__user=request.user, reader__withdrawn_at=None)
        .select_related("test__study")
        .annotate(n_items=Count("items", distinct=True), n_answered=Count("items__answers__item", distinct=True))
        .order_by(F("finished_at").asc(nulls_first=True), "test__position")
    )
    studies = Study.objects.all() if request.user.is_staff_of_studies else Study.objects.none()
    return render(request, "accounts/home.html", {"readings": readings, "studies": studies})
