"""Where a result comes from: everything that someone else needs to know to get the same numbers."""

from importlib.metadata import version

from readerstudy.images.truth import taxonomy
from readerstudy.results.arrays import ImageSetFacts, ModelFacts, Provenance
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study
from readerstudy.studies.protocol import changed, frozen

SOFTWARE = ("readerstudy", "numpy", "scipy", "scikit-learn", "statsmodels", "plotly")


def provenance(study: Study, model_version: ModelVersion | None) -> Provenance:
    protocol = frozen(study)
    sets = {test.image_set for test in study.tests.select_related("image_set")}
    return Provenance(
        study_id=study.pk,
        study_title=study.title,
        state=study.state,
        interim=study.unblinded_at is None,
        seed=study.seed,
        protocol_number=protocol.number if protocol else None,
        protocol_sha256=protocol.sha256 if protocol else "",
        differs=tuple(changed(study)),
        taxonomy_sha256=taxonomy().sha256,
        image_sets=tuple(
            ImageSetFacts(used.name, used.sha256, used.n_images, used.notice)
            for used in sorted(sets, key=lambda used: used.name)
        ),
        model=_model_facts(model_version) if model_version else None,
        software=tuple((package, version(package)) for package in SOFTWARE),
    )


def _model_facts(model_version: ModelVersion) -> ModelFacts:
    checkpoint = model_version.checkpoint
    return ModelFacts(
        id=model_version.pk,
        name=model_version.name,
        sha256=model_version.sha256,
        architecture=checkpoint.architecture,
        n_classes=len(checkpoint.classes),
        taxonomy_sha256=checkpoint.taxonomy_sha256,
        preprocessing=dict(checkpoint.preprocessing),
    )
