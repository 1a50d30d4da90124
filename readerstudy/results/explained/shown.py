"""Which cases are shown with their maps, in words a person reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model_core.taxonomy import Taxonomy, TrainingClass
from readerstudy.results.arrays import CaseTable
from readerstudy.results.tables.explained import MapRow


@dataclass(frozen=True, slots=True)
class Shown:
    """A case with a saliency map: ``index`` in the test's cases, ``number`` and ``diagnosis`` as a person reads them,
    ``target`` the class that the map explains, and the model's ``probability`` of it."""

    index: int
    number: int
    uuid: str
    diagnosis: str
    target: str
    probability: float


def shown_cases(
    cases: CaseTable,
    maps: Mapping[int, MapRow],
    chosen: Sequence[int],
    classes: Sequence[TrainingClass],
    taxonomy: Taxonomy,
) -> list[Shown]:
    """The chosen cases (indices) that have a map."""
    names = {one.id: taxonomy.class_name(one) for one in classes}
    first: dict[int, str] = {}
    for case, uuid in zip(cases.picture_case.tolist(), cases.picture_uuids, strict=True):
        first.setdefault(case, uuid)
    return [
        Shown(
            i, int(cases.numbers[i]), first[i], _name(taxonomy, cases.diagnoses[i]),
            names.get(maps[i].target, maps[i].target), maps[i].probability,
        )
        for i in chosen
        if i in maps
    ]  # fmt: skip


def _name(taxonomy: Taxonomy, node: str) -> str:
    return taxonomy.name(node) if node in taxonomy.nodes else node
