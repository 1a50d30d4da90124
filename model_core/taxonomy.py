"""A taxonomy of skin disease, and the summation of a classifier's probabilities up it.

Source: Esteva et al., Nature 542:115-118 (2017), Methods: "Taxonomy" and "Inference algorithm". No torch here.

Depth counts as in the paper: the roots are level 1 (the three-way task), their children level 2 (the nine-way task).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from typing import IO, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model_core.taxonomy_csv import (
    Node,
    TaxonomyError,
    aliases,
    check_rows,
    normalised,
    parse_rows,
    quoted,
    read_text,
    unmapped,
)

__all__ = ["SYNONYMS", "Node", "Taxonomy", "TaxonomyError", "TrainingClass", "aliases", "unmapped"]

SYNONYMS = "synonym"  # the source in aliases.csv whose labels `find` accepts beside ids and names


@dataclass(frozen=True, slots=True)
class TrainingClass:
    """One output of a classifier: the diseases (node ids) whose images it was trained on as a single class.

    A class that stands for a whole subtree lists every node of it, the inner ones too, because an image may be labelled
    with an inner node. The class "<node>, unspecified" lists only the node itself.
    """

    id: str
    node: str
    diseases: tuple[str, ...]
    n_images: int

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "node": self.node, "diseases": list(self.diseases), "n_images": self.n_images}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The class that `to_json` wrote.

        Raises: TaxonomyError where a key is missing or of another type.
        """
        try:
            identifier, node, diseases, n_images = value["id"], value["node"], value["diseases"], value["n_images"]
        except (KeyError, TypeError) as error:
            raise TaxonomyError(
                f"A training class needs id, node, diseases and n_images; {value!r} has not."
            ) from error
        if not (isinstance(identifier, str) and isinstance(node, str) and isinstance(n_images, int)):
            raise TaxonomyError(f"A training class has a text id and node and a whole number of images: {value!r}.")
        if not isinstance(diseases, list | tuple) or not diseases or not all(isinstance(d, str) for d in diseases):
            raise TaxonomyError(f"The training class {identifier!r} must list at least one disease.")
        return cls(identifier, node, tuple(diseases), n_images)


@dataclass(frozen=True)
class Taxonomy:
    """A forest of diseases; made by `read_csv` or `default`, which check it.

    `rows` keep the order of the file; `synonyms` map a normalised other name to a node id and are no part of `sha256`.
    """

    rows: tuple[Node, ...]
    source: str = field(default="taxonomy", compare=False)
    synonyms: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        check_rows(self.rows, self.source)

    @classmethod
    def read_csv(cls, path_or_file: str | os.PathLike[str] | IO[str] | IO[bytes]) -> Self:
        """Read `id,parent,name` (UTF-8, with or without a byte order mark; other columns are ignored).

        Raises: TaxonomyError naming the file and the row.
        """
        source, text = read_text(path_or_file)
        return cls(parse_rows(text, source), source)

    @classmethod
    def default(cls) -> Self:
        """The taxonomy shipped with this package, with its synonyms (American spelling, abbreviations)."""
        text = resources.files(__package__).joinpath("data/taxonomy.csv").read_text("utf-8")
        synonyms = {normalised(label): node for label, node in aliases(SYNONYMS).items()}
        return cls(parse_rows(text, "taxonomy.csv"), "taxonomy.csv", synonyms)

    @classmethod
    def from_json(cls, rows: Iterable[Sequence[str]], source: str = "taxonomy") -> Self:
        """The taxonomy that `to_json` wrote. Raises: TaxonomyError."""
        try:
            nodes = tuple(Node(i, p, n, row) for row, (i, p, n) in enumerate(rows, start=1))
        except (TypeError, ValueError) as error:
            raise TaxonomyError(f"{source}: each node must be a list of id, parent and name.") from error
        return cls(nodes, source)

    def to_json(self) -> list[list[str]]:
        """[id, parent, name] of each node in canonical order (by id): what `sha256` is computed over."""
        return sorted([node.id, node.parent, node.name] for node in self.rows)

    @cached_property
    def sha256(self) -> str:
        """Hex digest of the content; the order of the rows in the file does not matter."""
        content = json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(content.encode("utf-8")).hexdigest()

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """Every node id, depth first: a node comes directly before its descendants."""
        order: list[str] = []
        stack = list(reversed(self.roots))
        while stack:
            order.append(node := stack.pop())
            stack.extend(reversed(self._children[node]))
        return tuple(order)

    @cached_property
    def roots(self) -> tuple[str, ...]:
        return tuple(node.id for node in self.rows if not node.parent)

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        return tuple(node for node in self.nodes if not self._children[node])

    def name(self, node: str) -> str:
        return self._node(node).name

    def parent(self, node: str) -> str | None:
        """The parent's id, None for a root."""
        return self._node(node).parent or None

    def children(self, node: str) -> tuple[str, ...]:
        return self._children[self._node(node).id]

    def descendants(self, node: str) -> tuple[str, ...]:
        """Every node under `node`, INCLUDING itself (it comes first), depth first."""
        start = self._position[self._node(node).id]
        return self.nodes[start : self._end[start]]

    def ancestors(self, node: str) -> tuple[str, ...]:
        """The nodes above `node`, nearest first, without itself."""
        above: list[str] = []
        current = self._node(node).parent
        while current:
            above.append(current)
            current = self._by_id[current].parent
        return tuple(above)

    def depth(self, node: str) -> int:
        """1 for a root."""
        return len(self.ancestors(node)) + 1

    def level(self, depth: int) -> tuple[str, ...]:
        """The nodes at `depth`: level(1) are the roots. Raises: TaxonomyError where the taxonomy is not that deep."""
        found = tuple(node for node in self.nodes if self.depth(node) == depth)
        if not found:
            deepest = max(self.depth(node) for node in self.nodes)
            raise TaxonomyError(f"{self.source} has levels 1 to {deepest}; there is no level {depth}.")
        return found

    def find(self, text: str) -> str:
        """The id of the node whose id, name or synonym is `text`, whatever its case, spaces and hyphens.

        Raises: TaxonomyError listing close matches, or the nodes between which a name does not decide.
        """
        if text in self._by_id:
            return text
        key = normalised(text)
        found = self._lookup.get(key, ())
        if len(found) == 1:
            return found[0]
        if found:
            raise TaxonomyError(
                f"{text!r} is the name of several nodes of {self.source}: use one of the ids {quoted(found)}."
            )
        if key in self.synonyms and self.synonyms[key] in self._by_id:
            return self.synonyms[key]
        close = difflib.get_close_matches(key, [*self._lookup, *self.synonyms], n=5, cutoff=0.6)
        near = dict.fromkeys(node for match in close for node in self._lookup.get(match) or (self.synonyms[match],))
        hint = f"Did you mean {quoted(near, ' or ')}?" if near else "Give the id or the name of one of its nodes."
        raise TaxonomyError(f"{text!r} is not a node of {self.source}. {hint}")

    def whole_class(self, node: str, n_images: int = 0) -> TrainingClass:
        """The training class of all images of `node` and of everything under it."""
        return TrainingClass(node, node, self.descendants(node), n_images)

    def unspecified_class(self, node: str, n_images: int = 0) -> TrainingClass:
        """The training class "<node>, unspecified": images labelled with the inner node itself."""
        return TrainingClass(f"{node}:unspecified", self._node(node).id, (node,), n_images)

    def class_name(self, training_class: TrainingClass) -> str:
        """How a person reads the class: the node's name, or "<name>, unspecified"."""
        name = self.name(training_class.node)
        return name if training_class.id == training_class.node else f"{name}, unspecified"

    def sum_probabilities(
        self, classes: Sequence[TrainingClass], probabilities: ArrayLike, nodes: Sequence[str]
    ) -> NDArray[np.float64]:
        """Probability of each node: the sum over the training classes whose diseases all lie under it.

        Source: Esteva et al. 2017, Methods, "Inference algorithm". It equals P(node) = sum of P(child), plus
        P("<node>, unspecified") where there is such a class. A node under which there is no class has probability 0.

        classes: k training classes; probabilities: (n, k), rows of NaN stay NaN; nodes: m node ids.
        Returns (n, m). Raises: TaxonomyError for an unknown node or a node that contains part of a training class.
        """
        inside = self._inside(classes, [[node] for node in nodes])
        return _probabilities(probabilities, len(classes)) @ inside

    def restricted_share(
        self,
        classes: Sequence[TrainingClass],
        probabilities: ArrayLike,
        positive: Sequence[str],
        negative: Sequence[str],
    ) -> NDArray[np.float64]:
        """P(positive) / (P(positive) + P(negative)): the score in a two-class test that is restricted to its nodes.

        Source: Esteva et al. 2017, Methods, "Inference algorithm": where a lesion is known to be melanocytic (or
        epidermal), only the training classes under that node count.

        classes: k training classes; probabilities: (n, k); positive, negative: node ids, no node of one within the
        other. Returns (n,); NaN where both sums are 0 or the row is NaN.
        Raises: TaxonomyError for empty or overlapping sides, a side without a training class, or one that contains part
        of a training class.
        """
        sides = {"positive": positive, "negative": negative}
        for side, nodes in sides.items():
            if not nodes:
                raise TaxonomyError(f"A test needs at least one {side} node.")
        under = {side: {d for node in nodes for d in self.descendants(node)} for side, nodes in sides.items()}
        if shared := sorted(under["positive"] & under["negative"]):
            raise TaxonomyError(
                f"The positive and the negative nodes of a test must not overlap; both contain {quoted(shared[:5])}."
            )
        inside = self._inside(classes, list(sides.values()))
        for column, (side, nodes) in enumerate(sides.items()):
            if not inside[:, column].any():
                known = quoted(sorted({c.node for c in classes})[:20])
                raise TaxonomyError(
                    f"The model has no training class under the {side} nodes {quoted(nodes)}; its classes are {known}."
                )
        sums = _probabilities(probabilities, len(classes)) @ inside
        with np.errstate(invalid="ignore"):
            share: NDArray[np.float64] = sums[:, 0] / sums.sum(axis=1)
        return share

    def _node(self, node: str) -> Node:
        try:
            return self._by_id[node]
        except KeyError:
            raise TaxonomyError(f"{node!r} is not the id of a node of {self.source}.") from None

    @cached_property
    def _by_id(self) -> dict[str, Node]:
        return {node.id: node for node in self.rows}

    @cached_property
    def _children(self) -> dict[str, tuple[str, ...]]:
        below: dict[str, list[str]] = {node.id: [] for node in self.rows}
        for node in self.rows:
            if node.parent:
                below[node.parent].append(node.id)
        return {node: tuple(children) for node, children in below.items()}

    @cached_property
    def _position(self) -> dict[str, int]:
        return {node: position for position, node in enumerate(self.nodes)}

    @cached_property
    def _end(self) -> list[int]:
        """For each position in `nodes`, the position after its last descendant."""
        end = list(range(1, len(self.nodes) + 1))
        for position in range(len(self.nodes) - 1, -1, -1):
            parent = self._by_id[self.nodes[position]].parent
            if parent:
                end[self._position[parent]] = max(end[self._position[parent]], end[position])
        return end

    @cached_property
    def _lookup(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for node in self.rows:
            found[normalised(node.id)][node.id] = None
            found[normalised(node.name)][node.id] = None
        return {key: tuple(ids) for key, ids in found.items()}

    def _inside(self, classes: Sequence[TrainingClass], groups: Sequence[Sequence[str]]) -> NDArray[np.float64]:
        """(k, m) ones where a class lies wholly under the nodes of a group; refuses a class that lies half under."""
        covered = np.zeros((len(self.nodes), len(groups)), dtype=bool)
        for column, group in enumerate(groups):
            for node in group:
                start = self._position[self._node(node).id]
                covered[start : self._end[start], column] = True
        inside = np.zeros((len(classes), len(groups)))
        owner: dict[str, str] = {}
        for row, training_class in enumerate(classes):
            for disease in training_class.diseases:
                if disease not in self._by_id:
                    raise TaxonomyError(
                        f"The training class {training_class.id!r} has the disease {disease!r}; {self.source} has not."
                    )
                if owner.setdefault(disease, training_class.id) != training_class.id:
                    raise TaxonomyError(
                        f"{disease!r} is in two training classes, {owner[disease]!r} and {training_class.id!r}."
                    )
            diseases = dict.fromkeys(training_class.diseases)
            count = covered[[self._position[disease] for disease in diseases]].sum(axis=0)
            if (half := (count > 0) & (count < len(diseases))).any():
                column = int(half.argmax())
                raise TaxonomyError(
                    f"{quoted(groups[column])} contains only {count[column]} of the {len(diseases)} diseases of the "
                    f"training class {training_class.id!r}, whose probability cannot be divided. "
                    f"Use {training_class.node!r} instead."
                )
            inside[row] = count == len(diseases)
        return inside


def _probabilities(values: ArrayLike, k: int) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != k:
        raise TaxonomyError(
            f"Probabilities must have the shape (images, {k}), a column for each class; they have {array.shape}."
        )
    return array
