"""Where a result comes from: everything that someone else needs to know to get the same numbers."""

from dataclasses import dataclass
from importlib.metadata import version

from readerstudy.images.truth import taxonomy
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.models import Study
from readerstudy.studies.protocol import changed, frozen

SOFTWARE = ("readerstudy", "numpy", "scipy", "scikit-learn", "statsmodels", "plotly")


@dataclass(frozen=True, slots=True)
class ImageSetFacts:
    name: str
    sha256: str
    n_images: int
    notice: str


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model version: its weights' SHA-256, what its outputs are and how an image is prepared for it."""

    id: int
    name: str
    sha256: str
    architecture: str
    n_classes: int
    taxonomy_sha256: str
    preprocessing: dict[str, object]


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the numbers rest on. ``protocol_number`` is None while the study is a draft; ``differs`` names the places
    where the database no longer agrees with the frozen protocol, and is normally empty; ``interim`` is true until the
    study is unblinded."""

    study_id: int
    study_title: str
    state: str
    interim: bool
    seed: int
    protocol_number: int | None
    protocol_sha256: str
    differs: tuple[str, ...]
    taxonomy_sha256: str
    image_sets: tuple[ImageSetFacts, ...]
    model: ModelFacts | None
    software: tuple[tuple[str, str], ...]


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
