"""The training classes of a run: by partition, by level, by name, or one for each label. No torch here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from model_core.dataset import LabelledImage, labelled_classes
from model_core.manifest import DataError
from model_core.partition import partition_diseases
from model_core.taxonomy import Taxonomy, TrainingClass


@dataclass(frozen=True)
class ClassRule:
    """How classes are made of labels; at most one is set, and none means a class for each label.

    max_class_size: by the disease-partitioning algorithm; level: the nodes of that depth, 1 for the three-way task;
    nodes: these.
    """

    max_class_size: int | None = None
    level: int | None = None
    nodes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if sum((self.max_class_size is not None, self.level is not None, bool(self.nodes))) > 1:
            raise DataError("Classes are made by their largest size, by a level, or from a list of nodes: give one.")

    def classes(self, images: Sequence[LabelledImage], taxonomy: Taxonomy) -> tuple[TrainingClass, ...]:
        """The classes that these images give, each with at least one. Raises: TaxonomyError, DataError."""
        counts = Counter(image.disease for image in images)
        if self.max_class_size is not None:
            found = partition_diseases(taxonomy, counts, self.max_class_size)
        elif self.level is not None or self.nodes:
            nodes = taxonomy.level(self.level) if self.level is not None else self._found_nodes(taxonomy)
            sized = [(node, sum(counts[d] for d in taxonomy.descendants(node))) for node in nodes]
            found = tuple(taxonomy.whole_class(node, n) for node, n in sized if n)
        else:
            found = labelled_classes([image.disease for image in images], taxonomy)
        if len(found) < 2:
            named = ", ".join(repr(c.id) for c in found) or "none"
            raise DataError(f"Training needs at least two classes with images; there is {named}.")
        return found

    def _found_nodes(self, taxonomy: Taxonomy) -> list[str]:
        nodes = [taxonomy.find(node) for node in self.nodes]
        for node in nodes:
            for other in nodes:
                if other != node and other in taxonomy.ancestors(node):
                    raise DataError(f"The classes must not contain each other: {node!r} lies within {other!r}.")
        return list(dict.fromkeys(nodes))


def in_classes(images: Sequence[LabelledImage], classes: Sequence[TrainingClass]) -> list[int]:
    """Indices of the images whose label lies in a class. The label of an inner node above the classes does not."""
    held = {disease for training_class in classes for disease in training_class.diseases}
    return [i for i, image in enumerate(images) if image.disease in held]
