"""The edge where a room's refusal becomes a page: the reason as a sentence, with its HTTP status."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


class Refusal(Protocol):
    """What each room's exception class has."""

    status: int


def explained(error_class: type[Any], *, back: str) -> Callable[[View[P]], View[P]]:
    """Answer `error_class` (it has a `status`) with a page that gives its reason and leads back to the page `back`.

    The page `back` takes the view's `pk`, or nothing.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            try:
                return view(request, *args, **kwargs)
            except error_class as error:
                refusal: Refusal = error
                address = reverse(back, args=[kwargs["pk"]] if "pk" in kwargs else [])
                context = {"reason": str(error), "back": address}
                return render(request, "accounts/refused.html", context, status=refusal.status)

        return guarded

    return decorate
