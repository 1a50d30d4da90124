"""From a publisher's label to a node of the taxonomy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from model_core.taxonomy import SYNONYMS, Taxonomy, TaxonomyError, aliases, unmapped
from model_core.taxonomy_csv import normalised


@dataclass(frozen=True, slots=True)
class Meaning:
    """`node` is empty where the label has none; `reason` then says why, if the publisher means no diagnosis.

    `coarser`: the taxonomy lacks the publisher's diagnosis, and `node` is that of a diagnosis above it.
    """

    node: str = ""
    reason: str = ""
    coarser: bool = False


class Diagnoses:
    """Looks up labels, each once: the source's own aliases first, then the taxonomy's ids, names and synonyms."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self.taxonomy = taxonomy
        self._nodes = frozenset(taxonomy.nodes)
        self._known: dict[tuple[str, str], Meaning] = {}

    def meaning(self, source: str, label: str) -> Meaning:
        """What `label` means; "a:b:c" is a path, of which the finest part with a node counts."""
        if (source, label) not in self._known:
            self._known[source, label] = self._find(source, label)
        return self._known[source, label]

    def agree(self, one: str, other: str) -> bool:
        """Whether one node is the other or lies above it."""
        return one == other or one in self.taxonomy.ancestors(other) or other in self.taxonomy.ancestors(one)

    def finest(self, nodes: list[str]) -> str:
        """The deepest of nodes that all agree."""
        return max(nodes, key=self.taxonomy.depth)

    def _find(self, source: str, label: str) -> Meaning:
        parts = label.split(":") if source == "isic_archive" else [label]
        for finest, part in zip([True] + [False] * len(parts), reversed(parts), strict=False):
            found = self._single(source, part)
            if found.node:
                return Meaning(found.node, coarser=not finest)
            if found.reason:
                return found
        return Meaning()

    def _single(self, source: str, label: str) -> Meaning:
        nodes, reasons = _aliases(source)
        key = normalised(label)
        if (node := nodes.get(key)) and node in self._nodes:
            return Meaning(node)
        try:
            return Meaning(self.taxonomy.find(label))
        except TaxonomyError:
            return Meaning(reason=reasons.get(key, ""))


@cache
def _aliases(source: str) -> tuple[dict[str, str], dict[str, str]]:
    """({label: node}, {label: why it has no node}), labels normalised."""
    if source == SYNONYMS:
        return {}, {}
    return (
        {normalised(label): node for label, node in aliases(source).items()},
        {normalised(label): reason for label, reason in unmapped(source).items()},
    )
