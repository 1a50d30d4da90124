"""Where a result comes from: everything that someone else needs to know to get the same numbers."""

import itertools
from functools import cache
from importlib.metadata import version

from readerstudy.images.truth import taxonomy
from readerstudy.results.arrays import AmendmentFacts, ImageSetFacts, ModelFacts, Provenance
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies.differences import decided
from readerstudy.studies.models import Study
from readerstudy.studies.protocol import changed, frozen

SOFTWARE = ("readerstudy", "numpy", "scipy", "scikit-learn", "statsmodels", "plotly")


@cache
def software() -> tuple[tuple[str, str], ...]:
    """What computes, with the versions that this process runs."""
    return tuple((package, version(package)) for package in SOFTWARE)


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
        amendments=_amendments(study) if protocol and protocol.number > 1 else (),
        differs=tuple(changed(study)),
        taxonomy_sha256=taxonomy().sha256,
        image_sets=tuple(
            ImageSetFacts(used.name, used.sha256, used.n_images, used.notice)
            for used in sorted(sets, key=lambda used: used.name)
        ),
        model=_model_facts(model_version) if model_version else None,
        software=software(),
    )


def _amendments(study: Study) -> tuple[AmendmentFacts, ...]:
    versions = study.protocol_versions.order_by("number")
    return tuple(
        AmendmentFacts(
            number=after.number - 1, protocol_sha256=after.sha256, at=after.created_at.isoformat(timespec="seconds"),
            reason=after.reason, changed=tuple(decided(before.document, after.document)),
        )
        for before, after in itertools.pairwise(versions)
    )  # fmt: skip


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
