"""Amending a frozen protocol: the form, what it would change, and the act."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from readerstudy.accounts.access import administrator_required, signed_in
from readerstudy.accounts.refusals import explained
from readerstudy.studies import access, amendments, protocol
from readerstudy.studies.amendments import Overtaken, Scope
from readerstudy.studies.differences import Change
from readerstudy.studies.errors import StudiesError
from readerstudy.studies.forms import StudyForm
from readerstudy.studies.models import Study
from readerstudy.studies.plan_forms import PlanForm


class TextsForm(StudyForm):
    """The texts for readers, none of them empty. What a browser alone does to a text is no change of it."""

    class Meta(StudyForm.Meta):
        fields = list(amendments.TEXTS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = True

    def clean(self) -> dict[str, Any]:
        """A text that differs from the stored one in line ends and outer space only is the stored one."""
        values = super().clean() or self.cleaned_data
        for name in amendments.TEXTS:
            stored = self.initial[name]
            if values.get(name, "").replace("\r\n", "\n") == stored.replace("\r\n", "\n").strip():
                values[name] = stored
        return values


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Reason of the amendment"), max_length=2000, widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy(
            "It stays in the record and is in every export and in the methods paragraph: name no person. "
            "Readers do not see it."
        ),
    )  # fmt: skip


class Amending:
    """The forms of one amendment, of what may be amended now."""

    def __init__(self, study: Study, scope: Scope, data: Any = None) -> None:
        # Forms write into what they are given; the page shows what is stored.
        self.reason = ReasonForm(data)
        self.texts = TextsForm(data, instance=Study.objects.get(pk=study.pk)) if scope.texts else None
        self.plan = PlanForm(data, instance=protocol.plan_of(study)) if scope.plan else None

    @property
    def forms(self) -> list[forms.BaseForm]:
        return [form for form in (self.texts, self.plan, self.reason) if form is not None]

    @cached_property
    def is_valid(self) -> bool:
        return not [form for form in self.forms if not form.is_valid()]  # each says what is wrong

    @property
    def values(self) -> dict[str, Mapping[str, Any]]:
        """What was sent: the texts, and the plan."""
        return {
            "texts": self.texts.cleaned_data if self.texts else {},
            "plan": self.plan.values if self.plan else {},
        }

    @property
    def hidden(self) -> list[str]:
        """Every value again, to be sent with the act."""
        return [field.as_hidden() for form in self.forms for field in form]


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
@explained(StudiesError, back="study")
def amend(request: HttpRequest, pk: int) -> HttpResponse:
    """The values in force; posted, what the amendment would change; posted with `commit`, the amendment."""
    study = access.study_for(request.user, pk)
    amending = Amending(study, amendments.scope_of(study), request.POST or None)
    status, changes = HTTPStatus.OK, list[Change]()
    if request.method == "POST" and amending.is_valid and "edit" not in request.POST:
        try:
            if "commit" in request.POST:
                return _commit(request, study, amending)
            changes = amendments.proposed(study, base=request.POST.get("base", ""), **amending.values)
            if not changes:
                amending.reason.add_error(None, _("Nothing is changed."))
        except Overtaken as error:  # the values stay in the form, to be compared with the version that is in force now
            amending.reason.add_error(None, str(error))
            status = error.status
    context = {
        "section": "studies",
        "study": access.study_for(request.user, pk),
        "scope": amendments.scope_of(study),
        "in_force": protocol.frozen(study),
        "amending": amending,
        "changes": changes,
    }
    return render(request, "studies/amend.html", context, status=status)


def _commit(request: HttpRequest, study: Study, amending: Amending) -> HttpResponse:
    made = amendments.amend(
        study, base=request.POST.get("base", ""), reason=amending.reason.cleaned_data["reason"],
        actor=signed_in(request), **amending.values,
    )  # fmt: skip
    messages.success(
        request,
        _("Amendment %(n)d is in force. The protocol's hash begins with %(hash)s.")
        % {"n": made.number - 1, "hash": made.sha256[:12]},
    )
    return redirect("study", study.pk)
