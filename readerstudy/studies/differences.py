"""What one version of a protocol says other than another: as paths for programs, and in words for people."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.utils.translation import gettext as _

from readerstudy.studies import wording
from readerstudy.studies.plan import Plan

Part = tuple[Literal["same", "removed", "added"], str]
# What is no decision of a person: which software wrote the document, how it names the version before it, and hashes of
# texts that are there themselves.
BESIDE = ("software", "amendment", "analysis_plan.amended", "study.consent.sha256")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was changed: its name, and what it said before and says after."""

    what: str
    before: str
    after: str

    @property
    def parts(self) -> list[Part]:
        """Both texts in one, word by word."""
        return marked(self.before, self.after)


def paths(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two documents differ (`tests.0.title`), in no order."""
    if isinstance(one, dict) and isinstance(other, dict):
        found = []
        for key in one.keys() | other.keys():
            found += paths(one.get(key), other.get(key), f"{path}.{key}" if path else key)
        return found
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            different
            for index, (left, right) in enumerate(zip(one, other, strict=True))
            for different in paths(left, right, f"{path}.{index}")
        ]
    return [] if one == other else [path]


def decided(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The paths that a person decided to change, rising: those of `paths` without what stands beside."""
    return [
        path
        for path in sorted(paths(dict(one), dict(other)))
        if not any(path == beside or path.startswith(f"{beside}.") for beside in BESIDE)
    ]


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What an amendment changed, in words: the texts, then the terms of the analysis plan."""
    named = [
        (_("Title"), ("study", "title")),
        (_("What readers are told"), ("study", "description")),
        (_("Whom to ask"), ("study", "contact")),
        (_("Consent text"), ("study", "consent", "text")),
    ]
    found = [Change(what, str(_within(before, keys)), str(_within(after, keys))) for what, keys in named]
    terms = [dict(_terms(document)) for document in (before, after)]
    found += [
        Change(what, terms[0].get(what, ""), terms[1].get(what, "")) for what in dict.fromkeys([*terms[0], *terms[1]])
    ]
    return [change for change in found if change.before != change.after]


def _within(document: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    value: Any = document
    for key in keys:
        value = value[key]
    return value


def _terms(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    recorded = document.get("analysis_plan")
    # Without the labels of earlier amendments: here it is said who changed what.
    return wording.terms(Plan.of({**recorded, "amended": {}}), document["tests"]) if recorded else []


def marked(before: str, after: str) -> list[Part]:
    """Both texts in one, cut where they differ, between words."""
    old, new = (re.findall(r"\S+\s*|\s+", text) for text in (before, after))
    found: list[Part] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            found.append(("same", "".join(old[i:j])))
            continue
        pieces: list[Part] = [("removed", "".join(old[i:j])), ("added", "".join(new[k:m]))]
        found += [piece for piece in pieces if piece[1]]
    return found
