"""Every page and every API route, on one screen."""

from django.urls import URLPattern, URLResolver, include, path, register_converter

from readerstudy.accounts import language
from readerstudy.advice import preparing, readiness
from readerstudy.advice import views as advice
from readerstudy.images import views as images
from readerstudy.images.api import UploadView
from readerstudy.readers import views as readers
from readerstudy.readings import tally
from readerstudy.readings import views as readings
from readerstudy.readings.api import DiagnosesView, EventsView, ReadingView
from readerstudy.results import views as results
from readerstudy.results import waiting
from readerstudy.results.api import ResultsView
from readerstudy.results.checklists import views as checklists
from readerstudy.results.conditions import views as conditions
from readerstudy.results.explained import views as explained
from readerstudy.results.home import home
from readerstudy.results.own import own_points
from readerstudy.results.power import views as power
from readerstudy.results.primary import views as primary
from readerstudy.results.supplement import views as supplement
from readerstudy.results.validation import views as validation
from readerstudy.scoring import views as scoring
from readerstudy.scoring.api import RunView
from readerstudy.scoring.registry import names_by_sha256
from readerstudy.studies import amendment_views as amendments
from readerstudy.studies import builder_views as builder
from readerstudy.studies import views as studies
from readerstudy.studies.api import StudyView

register_converter(supplement.FigureFormat, "figureformat")

# What the room of studies does not know: which models there are, and what their advice still lacks.
MODELS = {"models": names_by_sha256}
OPENING = {**MODELS, "advice": readiness.lacking}

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home, name="home"),
    path("accounts/", include("readerstudy.accounts.urls")),
    path("language/", language.choose, name="language"),
    # images
    path("sets/", images.sets, name="sets"),
    path("sets/upload/", images.set_upload, name="set-upload"),
    path("sets/uploads/<int:pk>/", images.upload, name="upload"),
    path("sets/uploads/<int:pk>/store/", images.upload_store, name="upload-store"),
    path("sets/uploads/<int:pk>/discard/", images.upload_discard, name="upload-discard"),
    path("sets/<int:pk>/", images.image_set, name="set"),
    path("sets/<int:pk>/<uuid:uuid>/", images.set_image, name="set-image"),
    path("api/uploads/<int:pk>/", UploadView.as_view(), name="api-upload"),
    # studies
    path("studies/", studies.studies, name="studies"),
    path("studies/import/", builder.import_study, MODELS, name="study-import"),
    path("studies/<int:pk>/", studies.study, OPENING, name="study"),
    path("studies/<int:pk>/edit/", studies.edit, name="study-edit"),
    path("studies/<int:pk>/plan/", studies.plan, name="study-plan"),
    path("studies/<int:pk>/tests/add/", studies.test_add, name="test-add"),
    path("studies/<int:pk>/tests/<int:test_pk>/", studies.test_edit, name="test-edit"),
    path("studies/<int:pk>/tests/<int:test_pk>/delete/", studies.test_delete, name="test-delete"),
    path("studies/<int:pk>/tests/<int:test_pk>/design/", builder.design, name="test-design"),
    path("studies/<int:pk>/tests/<int:test_pk>/arms/", builder.arms, MODELS, name="test-arms"),
    path("studies/<int:pk>/tests/<int:test_pk>/stages/", builder.stages, name="test-stages"),
    path("studies/<int:pk>/tests/<int:test_pk>/stages/<int:stage>/", builder.stage, name="test-stage"),
    path(
        "studies/<int:pk>/tests/<int:test_pk>/stages/<int:stage>/questions/<int:question>/",
        builder.question,
        name="test-question",
    ),
    path("studies/<int:pk>/templates/", builder.templates, MODELS, name="study-templates"),
    path("studies/<int:pk>/copy/", builder.copy, name="study-copy"),
    path("studies/<int:pk>/protocol.json", builder.protocol_file, name="study-protocol"),
    path("studies/<int:pk>/open/", studies.open_study, OPENING, name="study-open"),
    path("studies/<int:pk>/amend/", amendments.amend, name="study-amend"),
    path("studies/<int:pk>/close/", studies.close_study, name="study-close"),
    path("studies/<int:pk>/unblind/", studies.unblind_study, name="study-unblind"),
    path("api/studies/<int:pk>/", StudyView.as_view(), name="api-study"),
    # readers: their page shows progress, which the room above them knows
    path("studies/<int:pk>/readers/", readers.readers, {"progress": tally.of_study}, name="readers"),
    path("studies/<int:pk>/readers/remind/", readers.remind, {"progress": tally.of_study}, name="readers-remind"),
    path("studies/<int:pk>/readers/<int:reader_pk>/renew/", readers.renew, name="reader-renew"),
    path("studies/<int:pk>/readers/<int:reader_pk>/withdraw/", readers.withdraw, name="reader-withdraw"),
    path("join/<str:token>/", readers.join, name="join"),
    path("agree/<int:study_pk>/", readers.agree, name="agree"),
    path("profile/<int:study_pk>/", readers.profile, name="reader-profile"),
    # readings
    path("read/", readings.start, name="reading-start"),
    path("read/<uuid:uuid>/", readings.read, {"advice": advice.inside}, name="read"),
    path("read/<uuid:uuid>/done/", readings.done, {"own": own_points}, name="read-done"),
    path("read/<uuid:uuid>/end/", readings.end, name="read-end"),
    path("read/<uuid:uuid>/screen/", readings.screen, name="read-screen"),
    path("read/<uuid:uuid>/another/", readings.another, name="read-another"),
    path("read/<uuid:uuid>/withdraw/", readings.withdraw, name="read-withdraw"),
    path("read/<uuid:uuid>/<uuid:item>/<int:position>/", readings.picture, name="read-picture"),
    path("api/read/<uuid:uuid>/", ReadingView.as_view(), name="api-read"),
    path("api/read/<uuid:uuid>/events/", EventsView.as_view(), name="api-read-events"),
    path("api/read/<uuid:uuid>/diagnoses/", DiagnosesView.as_view(), name="api-read-diagnoses"),
    # advice
    path("read/<uuid:uuid>/<uuid:item>/advice/", advice.piece, name="read-advice"),
    path("read/<uuid:uuid>/<uuid:item>/advice/<int:number>/", advice.picture, name="read-advice-picture"),
    path("studies/<int:pk>/advice/", preparing.prepare, name="study-advice"),
    # scoring
    path("models/", scoring.models, name="models"),
    path("models/<int:pk>/", scoring.model, name="model"),
    path("runs/<int:pk>/", scoring.run, name="run"),
    path("runs/<int:pk>/stop/", scoring.run_stop, name="run-stop"),
    path("runs/<int:pk>/again/", scoring.run_again, name="run-again"),
    path("api/runs/<int:pk>/", RunView.as_view(), name="api-run"),
    # results
    path("studies/<int:pk>/power/", power.study_power, name="study-power"),
    path("studies/<int:pk>/results/", results.results, name="results"),
    path("studies/<int:pk>/results/score/", results.score, name="results-score"),
    path("studies/<int:pk>/results/look/", results.look, name="results-look"),
    path("studies/<int:pk>/results/primary.<str:fmt>", primary.primary_table, name="results-primary"),
    path("studies/<int:pk>/results/export.zip", results.export_zip, name="results-export"),
    path("studies/<int:pk>/results/computing/<int:computation_pk>/", waiting.computation, name="computation"),
    path("studies/<int:pk>/results/computing/<int:computation_pk>/stop/", waiting.stop, name="computation-stop"),
    path("studies/<int:pk>/results/computing/<int:computation_pk>/again/", waiting.again, name="computation-again"),
    path("studies/<int:pk>/results/files/<int:computation_pk>/", waiting.file, name="results-file"),
    path("studies/<int:pk>/results/files/<int:computation_pk>/drawn/", waiting.drawn, name="results-drawn"),
    path("studies/<int:pk>/results/validation/", validation.validation, name="results-validation"),
    path("studies/<int:pk>/results/validation.<str:fmt>", validation.validation_file, name="results-validation-file"),
    path("studies/<int:pk>/results/checklists/", checklists.checklists, name="results-checklists"),
    path(
        "studies/<int:pk>/results/checklists/<str:checklist>.<str:fmt>",
        checklists.checklist,
        name="results-checklist",
    ),
    path("studies/<int:pk>/results/<int:test_pk>/", supplement.test_page, name="results-test"),
    path("studies/<int:pk>/results/<int:test_pk>/explained/", explained.explained_page, name="results-explained"),
    path("studies/<int:pk>/results/<int:test_pk>/explained/request/", explained.explain, name="results-explain"),
    path(
        "studies/<int:pk>/results/<int:test_pk>/explained/<str:figure>.<figureformat:fmt>",
        explained.explained_figure,
        name="results-explained-figure",
    ),
    path(
        "studies/<int:pk>/results/<int:test_pk>/saliency/<int:case>.png",
        explained.saliency_map,
        name="results-saliency",
    ),
    path("studies/<int:pk>/results/<int:test_pk>/conditions/", conditions.conditions_page, name="results-conditions"),
    path(
        "studies/<int:pk>/results/<int:test_pk>/conditions/<str:figure>.<figureformat:fmt>",
        conditions.conditions_figure,
        name="results-conditions-figure",
    ),
    path(
        "studies/<int:pk>/results/<int:test_pk>/conditions/<str:table>.<str:fmt>",
        conditions.conditions_table,
        name="results-conditions-table",
    ),
    path("studies/<int:pk>/results/<int:test_pk>/roc.<str:fmt>", results.figure, name="results-figure"),
    path(
        "studies/<int:pk>/results/<int:test_pk>/<str:figure>.<figureformat:fmt>",
        supplement.test_figure,
        name="results-figure",
    ),
    path("studies/<int:pk>/results/<int:test_pk>/<str:table>.<str:fmt>", results.table, name="results-table"),
    path("api/studies/<int:pk>/results/", ResultsView.as_view(), name="api-results"),
]
