"""The first page: what is mine to do now. It looks into every room, so it lives in the one that may."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from readerstudy.accounts.access import signed_in
from readerstudy.readings.allocation import ensure_readings
from readerstudy.readings.models import Reading
from readerstudy.studies.models import Study


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    ensure_readings(user)
    readings = list(Reading.objects.of(user).with_progress())
    studies = Study.objects.all() if user.is_staff_of_studies else Study.objects.none()
    one_of_each_study = {reading.test.study: reading for reading in readings}
    context = {"readings": readings, "studies": studies, "one_of_each_study": one_of_each_study}
    return render(request, "accounts/home.html", context)
