"""Finding a diagnosis by what a reader types, among those that a ranking question lets him name."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from readerstudy.images.truth import path_of, taxonomy
from readerstudy.readings.answering import diagnoses_of
from readerstudy.studies.models import Question

MOST = 12  # found at once
LONGEST = 100  # characters typed that are looked at


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A node of the taxonomy, with the nodes above it, which tell apart two of one name."""

    id: str
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class _Entry:
    node: str
    name: str
    words: tuple[str, ...]  # of the name
    others: tuple[str, ...]  # synonyms, without spaces


def search(question: Question, text: str) -> list[Diagnosis]:
    """The diagnoses in whose name each typed word begins a word, or a synonym of which begins with all that is typed.

    Names that begin with it come first, then the shorter ones; at most `MOST`. Empty for an empty text.
    """
    typed = _words(text[:LONGEST])
    if not typed:
        return []
    whole, run = " ".join(typed), "".join(typed)
    found = []
    allowed = diagnoses_of(question)
    for entry in _entries():
        if entry.node not in allowed:
            continue
        in_name = all(any(word.startswith(part) for word in entry.words) for part in typed)
        if in_name or any(other.startswith(run) for other in entry.others):
            begins = " ".join(entry.words).startswith(whole)
            found.append((not begins, not in_name, len(entry.name), entry.name, entry.node))
    return [Diagnosis(node, name, path_of(node)) for _b, _n, _length, name, node in sorted(found)[:MOST]]


def every(question: Question) -> list[dict[str, object]]:
    """Every diagnosis that the question lets a reader name, with the texts by which `search` finds it: for a page that
    must search without the network."""
    allowed = diagnoses_of(question)
    return [
        {"id": entry.node, "name": entry.name, "path": path_of(entry.node), "others": list(entry.others)}
        for entry in _entries()
        if entry.node in allowed
    ]


def named(question: Question, text: str) -> str | None:
    """The one diagnosis that is called exactly so (by its id, its name or a synonym); None: none is, or several are."""
    allowed = diagnoses_of(question)
    text = text.strip()[:LONGEST]
    if text in allowed:
        return text
    typed = _words(text)
    found = {
        entry.node
        for entry in _entries()
        if entry.node in allowed and (list(entry.words) == typed or "".join(typed) in entry.others)
    }
    return found.pop() if len(found) == 1 else None


def choosable(question: Question) -> list[str]:
    """A text for each diagnosis that `named` understands: its name, or its id where two have one name."""
    names = [taxonomy().name(node) for node in diagnoses_of(question)]
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    return [node if name in twice else name for node, name in zip(diagnoses_of(question), names, strict=True)]


@cache
def _entries() -> tuple[_Entry, ...]:
    known = taxonomy()
    others: dict[str, list[str]] = {}
    for synonym, node in known.synonyms.items():
        others.setdefault(node, []).append("".join(_words(synonym)))
    return tuple(
        _Entry(node, known.name(node), tuple(_words(known.name(node))), tuple(others.get(node, ())))
        for node in known.nodes
    )


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return re.findall(r"[^\W_]+", "".join(letter for letter in plain if not unicodedata.combining(letter)))
