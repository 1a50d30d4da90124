"""Inviting and following readers; joining by a link."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from readerstudy.accounts.access import administrator_required, signed_in
from readerstudy.accounts.models import User
from readerstudy.accounts.refusals import explained
from readerstudy.readers import burden, invitations, letters
from readerstudy.readers.errors import ReadersError
from readerstudy.readers.forms import InviteForm, JoinForm, TextForm
from readerstudy.readers.models import Invitation, Reader
from readerstudy.studies.access import study_for
from readerstudy.studies.models import Study

SIGN_IN_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
# Reader's id -> test's id -> (cases answered, cases in all). The readings' room knows it; the roof passes it in.
ProgressOf = Callable[[Study], Mapping[int, Mapping[int, tuple[int, int]]]]


@dataclass(frozen=True, slots=True)
class Row:
    """A reader in the table: for each test of the study (answered, in all), or None where it is not asked of him."""

    reader: Reader
    cells: list[tuple[int, tuple[int, int] | None]]

    @property
    def answered(self) -> int:
        return sum(cell[0] for _test, cell in self.cells if cell)

    @property
    def total(self) -> int:
        return sum(cell[1] for _test, cell in self.cells if cell)

    @property
    def is_finished(self) -> bool:
        return bool(self.total) and self.answered == self.total


def _rows(study: Study, progress: ProgressOf) -> list[Row]:
    sizes = {test.pk: test.n_shown() for test in study.tests.all()}
    known = progress(study)
    rows = []
    for reader in study.readers.prefetch_related("tests"):
        asked = {test.pk for test in reader.tests.all()}
        read = known.get(reader.pk, {})
        cells = [(test, read.get(test, (0, size)) if test in asked else None) for test, size in sizes.items()]
        rows.append(Row(reader, cells))
    return rows


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def readers(request: HttpRequest, pk: int, progress: ProgressOf) -> HttpResponse:
    """Invite, and follow how far each reader has come."""
    study = study_for(request.user, pk)
    form = InviteForm(study, request.POST or None)
    if form.is_valid():
        try:
            made = invitations.invite_all(
                study=study,
                emails=form.cleaned_data["emails"],
                tests=form.cleaned_data["tests"],
                actor=signed_in(request),
            )
        except ReadersError as error:
            form.add_error("emails", str(error))
        else:
            return _links_page(request, study, made)
    context = {"section": "studies", "study": study, "form": form, "rows": _rows(study, progress)}
    return render(request, "readers/readers.html", context)


@sensitive_variables("made", "links")
def _links_page(request: HttpRequest, study: Study, made: list[tuple[Reader, str]]) -> HttpResponse:
    """Send the letters, and show each link this once: it is kept nowhere."""
    links = [letters.Link(reader, request.build_absolute_uri(reverse("join", args=[token]))) for reader, token in made]
    context = {"section": "studies", "study": study, "links": letters.send(links)}
    return render(request, "readers/links.html", context)


def _reader(request: HttpRequest, pk: int, reader_pk: int) -> Reader:
    reader = study_for(request.user, pk).readers.select_related("study").filter(pk=reader_pk).first()
    if reader is None:
        raise Http404
    return reader


@administrator_required
@require_POST
@never_cache
@explained(ReadersError, back="readers")
@sensitive_variables("token")
def renew(request: HttpRequest, pk: int, reader_pk: int) -> HttpResponse:
    """A fresh link: a reminder, or a way back in."""
    reader = _reader(request, pk, reader_pk)
    token = invitations.renew(reader, actor=signed_in(request))
    return _links_page(request, reader.study, [(reader, token)])


@administrator_required
@require_POST
@explained(ReadersError, back="readers")
def withdraw(request: HttpRequest, pk: int, reader_pk: int) -> HttpResponse:
    reader = _reader(request, pk, reader_pk)
    invitations.withdraw(reader, actor=signed_in(request))
    messages.success(request, _("%(code)s has withdrawn and reads no further.") % {"code": reader.code})
    return redirect("readers", pk)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_variables("token")
def join(request: HttpRequest, token: str) -> HttpResponseBase:
    """Who asks, what it takes, consent, profile. Looking (GET) uses up nothing: mail scanners look."""
    try:
        if isinstance(request.user, User):
            invitations.refuse_staff(request.user)
        response = _join(request, invitations.find(token))
    except ReadersError as error:
        response = render(request, "readers/unusable.html", {"error": error}, status=error.status)
    # The address is the key: it goes into no Referer. (Not "no-referrer": under it browsers send "Origin: null" with
    # the form, which the CSRF check rightly refuses.)
    response["Referrer-Policy"] = "strict-origin"
    return response


def _join(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    reader = invitation.reader
    returning = invitations.agreed_to_current_text(reader)
    form_class = TextForm if returning else JoinForm
    form = form_class.showing(reader.study, request.POST or None)
    if form.is_valid():
        profile = form.profile if isinstance(form, JoinForm) else None
        user = invitations.accept(invitation, profile=profile, text_sha256=form.cleaned_data["text_sha256"])
        login(request, user, backend=SIGN_IN_BACKEND)
        return redirect("reading-start")
    context = {"reader": reader, "study": reader.study, "burden": burden.of(reader), "form": form}
    return render(request, "readers/welcome_back.html" if returning else "readers/join.html", context)
