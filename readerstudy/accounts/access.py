"""Who may pass: one decorator for a role. What a user may not see does not exist (404); who is nobody signs in."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponseBase
from rest_framework.request import Request

from readerstudy.accounts.models import User

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def _requires(allowed: Callable[[User], bool]) -> Callable[[View[P]], View[P]]:
    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> Any:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not allowed(request.user):
                raise Http404
            return view(request, *args, **kwargs)

        return guarded

    return decorate


administrator_required = _requires(lambda user: user.is_administrator)
researcher_required = _requires(lambda user: user.is_researcher)
staff_required = _requires(lambda user: user.is_staff_of_studies)


def signed_in(request: HttpRequest | Request) -> User:
    """The user behind a request that one of the decorators above, or the API's own rule, let through."""
    if not isinstance(request.user, User):
        raise Http404
    return request.user
