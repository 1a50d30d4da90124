"""Inviting and following readers; joining by a link."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from readerstudy.accounts.access import administrator_required, signed_in
from readerstudy.accounts.language import keep_choice
from readerstudy.accounts.models import User
from readerstudy.accounts.refusals import explained
from readerstudy.readers import burden, consent, invitations, letters, profiles
from readerstudy.readers.errors import ReadersError
from readerstudy.readers.forms import AgreeForm, InviteForm, JoinForm, ProfileForm, TextForm
from readerstudy.readers.models import Invitation, Reader
from readerstudy.studies.access import study_for
from readerstudy.studies.models import Study, Test

SIGN_IN_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
# Reader's id -> test's id -> (cases answered, cases in all). The readings' room knows it; the roof passes it in.
ProgressOf = Callable[[Study], Mapping[int, Mapping[int, tuple[int, int]]]]


@dataclass(frozen=True, slots=True)
class Row:
    """A reader in the table: for each test of the study (answered, in all), or None where it is not asked of him."""

    reader: Reader
    last_letter: datetime | None
    must_agree: bool  # to an amended consent text, before the next case
    cells: list[tuple[Test, tuple[int, int] | None]]

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
    sizes = [(test, test.n_shown()) for test in study.tests.all()]
    known = progress(study)
    agreed = consent.agreed_before(study)
    rows = []
    for reader in study.readers.prefetch_related("tests", "invitations"):
        asked = {test.pk for test in reader.tests.all()}
        read = known.get(reader.pk, {})
        cells = [(test, _cell(read.get(test.pk), size) if test.pk in asked else None) for test, size in sizes]
        letters_sent = [invitation.created_at for invitation in reader.invitations.all()]
        must_agree = reader.withdrawn_at is None and agreed.get(reader.pk) is False
        row = Row(reader, max(letters_sent, default=None), must_agree and study.state == Study.State.OPEN, cells)
        rows.append(row)
    return rows


def _cell(read: tuple[int, int] | None, size: int) -> tuple[int, int]:
    """(answered, in all) of a test: the parts of a crossover that are still to come count, further batches do not."""
    answered, begun = read or (0, 0)
    return answered, max(begun, size)


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
                language=form.cleaned_data["language"],
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
@never_cache
@explained(ReadersError, back="readers")
@sensitive_variables("made")
def remind(request: HttpRequest, pk: int, progress: ProgressOf) -> HttpResponse:
    """A fresh link for everyone who has not finished."""
    study = study_for(request.user, pk)
    unfinished = [row.reader for row in _rows(study, progress) if not row.is_finished]
    made = invitations.remind_all(study=study, readers=unfinished, actor=signed_in(request))
    if not made:
        messages.info(request, _("Nobody is to be reminded: each has finished, or got a letter within the last day."))
        return redirect("readers", pk)
    return _links_page(request, study, made)


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
    returning = consent.agreed_to_current_text(reader)
    form_class = TextForm if returning else JoinForm
    form = form_class.showing(reader.study, request.POST or None)
    if form.is_valid():
        profile = form.profile if isinstance(form, JoinForm) else None
        user = invitations.accept(invitation, profile=profile, text_sha256=form.cleaned_data["text_sha256"])
        login(request, user, backend=SIGN_IN_BACKEND)
        keep_choice(request, user)
        return redirect("reading-start")
    context = {"reader": reader, "study": reader.study, "burden": burden.of(reader), "form": form}
    return render(request, "readers/welcome_back.html" if returning else "readers/join.html", context)


def _own(user: User, study_pk: int) -> Reader:
    """The person's own place in an open study, which was not left; else Http404."""
    rows = Reader.objects.select_related("study").filter(study=study_pk, user=user, withdrawn_at=None)
    reader = None if user.is_staff_of_studies else rows.filter(study__state=Study.State.OPEN).first()
    if reader is None:
        raise Http404
    return reader


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@explained(ReadersError, back="home")
def profile(request: HttpRequest, study_pk: int) -> HttpResponse:
    """What a reader said of himself, to be said anew: another device, another year."""
    user = signed_in(request)
    reader = _own(user, study_pk)
    known = profiles.newest(reader)
    if known is None:
        raise Http404
    form = ProfileForm.of(known, request.POST or None)
    if form.is_valid():
        if profiles.change(reader, values=form.profile, actor=user):
            messages.success(request, _("What you said about yourself is stored."))
        return redirect("home")
    return render(request, "readers/profile.html", {"study": reader.study, "form": form})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@explained(ReadersError, back="home")
def agree(request: HttpRequest, study_pk: int) -> HttpResponse:
    """The consent text was amended: a reader who agreed to another one reads it, and agrees before the next case, or
    leaves."""
    user = signed_in(request)
    reader = _own(user, study_pk)
    before = consent.earlier(reader)
    if before is None:
        raise Http404
    if consent.agreed_to_current_text(reader):
        return redirect("reading-start")
    if "leave" in request.POST:
        invitations.withdraw(reader, actor=user)
        messages.success(request, _("You have left the study. Thank you for what you have read."))
        return redirect("home")
    form = AgreeForm.showing(reader.study, request.POST or None)
    if form.is_valid():
        consent.agree(reader, text_sha256=form.cleaned_data["text_sha256"], actor=user)
        return redirect("reading-start")
    return render(request, "readers/agree.html", {"study": reader.study, "earlier": before, "form": form})
