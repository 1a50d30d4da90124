"""The language of a person's pages and letters: his own choice, else his browser's.

Signed in, the choice on the account counts; else the one in the browser's cookie; else Accept-Language.
"""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from readerstudy.accounts.models import User

LANGUAGES = tuple(code for code, _name in settings.LANGUAGES)


@require_POST
def choose(request: HttpRequest) -> HttpResponseBase:
    """Keep the choice in a cookie and on the account, and go back to the page it was made on (Django's own view)."""
    language = request.POST.get("language")
    if language not in LANGUAGES:
        raise BadRequest(f"language: {language!r} is not one of {', '.join(LANGUAGES)}")
    if isinstance(request.user, User):
        User.objects.filter(pk=request.user.pk).update(language=language)
    return set_language(request)


def account_language(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Middleware, after the one that knows the user: the choice on the account counts on every device."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if isinstance(request.user, User) and request.user.language in LANGUAGES:
            translation.activate(request.user.language)
            request.LANGUAGE_CODE = translation.get_language()
        return get_response(request)

    return middleware


def keep_choice(request: HttpRequest, user: User) -> None:
    """Take what was chosen in this browser over to the account of a person who has chosen nothing yet."""
    language = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME)
    if not user.language and language in LANGUAGES:
        user.language = language
        user.save(update_fields=["language"])


def of_address(email: str, otherwise: str = "") -> str:
    """The language of letters to an address: the one its person has chosen, else `otherwise`, else that of now."""
    chosen = User.objects.filter(email__iexact=email).values_list("language", flat=True).first()
    return _first_known(chosen, otherwise, translation.get_language())


def of_person(user: User) -> str:
    """The language of what a worker writes for a person: the one that he has chosen, else the installation's."""
    return _first_known(user.language)


def _first_known(*languages: str | None) -> str:
    return next((language for language in languages if language in LANGUAGES), settings.LANGUAGE_CODE)
