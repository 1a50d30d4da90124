"""Every page and every API route, on one screen."""

from django.urls import URLPattern, URLResolver, include, path

from readerstudy.readings import views as readings
from readerstudy.readings.api import ReadingView
from readerstudy.results.home import home
from readerstudy.scoring import views as scoring
from readerstudy.scoring.api import RunView

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
    path("models/", scoring.models, name="models"),
    path("models/<int:pk>/", scoring.model, name="model"),
    path("runs/<int:pk>/", scoring.run, name="run"),
    path("runs/<int:pk>/stop/", scoring.run_stop, name="run-stop"),
    path("runs/<int:pk>/again/", scoring.run_again, name="run-again"),
    path("api/runs/<int:pk>/", RunView.as_view(), name="api-run"),
    # results
]
