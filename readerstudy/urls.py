"""Every page and every API route, on one screen."""

from django.urls import URLPattern, URLResolver, include, path

from readerstudy.readings import views as readings
from readerstudy.readings.api import ReadingView
from readerstudy.results.home import home

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home, name="home"),
    path("accounts/", include("allauth.account.urls")),
    # images
    # studies
    # readers
    # readings
    path("read/", readings.start, name="reading-start"),
    path("read/<uuid:uuid>/", readings.read, name="read"),
    path("read/<uuid:uuid>/done/", readings.done, name="read-done"),
    path("read/<uuid:uuid>/<uuid:item>/<int:position>/", readings.picture, name="read-picture"),
    path("api/read/<uuid:uuid>/", ReadingView.as_view(), name="api-read"),
    # scoring
    # results
]
