"""Every page and every API route, on one screen."""

from django.urls import URLPattern, URLResolver, include, path

from readerstudy.results.home import home

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home, name="home"),
    path("accounts/", include("allauth.account.urls")),
    # images
    # studies
    # readers
    # readings
    # scoring
    # results
]
