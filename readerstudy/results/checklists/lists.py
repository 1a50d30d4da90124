"""The checklists: their items from data/*.csv, filled in from a study's facts, as tables, Markdown and CSV.

Items are described in our own words; the guideline itself has the binding ones. Their numbers were compared, on
2026-11-23, with two public transcriptions each, made independently of one another; the publishers' own pages could not
be reached from where this was written, so each list says that authors must compare it with the original.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from readerstudy.results.checklists.facts import FACTS, Known
from readerstudy.results.sheets import Sheet

TO_BE_COMPLETED = "To be completed by the authors"
VERIFIED = (
    "Item numbers compared on 2026-11-23 with two independent public transcriptions, not with the publisher's own "
    "page; descriptions are in this software's words. Compare with the original before you submit it."
)
GIVEN, PARTLY, OPEN = "filled in", "partly filled in", "to be completed"


@dataclass(frozen=True, slots=True)
class Guideline:
    """``key`` names the data file; ``n_items`` numbered items make ``n_rows`` rows, their parts counted."""

    key: str
    title: str
    citation: str
    n_items: int
    n_rows: int


@dataclass(frozen=True, slots=True)
class Item:
    """A row as it is in the data file. ``facts`` are keys of what the software knows; ``authors``: what it cannot."""

    item: str
    section: str
    topic: str
    asks: str
    facts: tuple[str, ...]
    authors: str


@dataclass(frozen=True, slots=True)
class Filled:
    """An item with what the software can say of a study, and what remains for the authors."""

    item: Item
    state: str
    text: str
    authors: str


GUIDELINES = (
    Guideline(
        "stard-ai", "STARD-AI",
        "Sounderajah V, et al. The STARD-AI reporting guideline for diagnostic accuracy studies using artificial "
        "intelligence. Nature Medicine 2025; 31: 3283-3289. doi:10.1038/s41591-025-03953-8",
        40, 48,
    ),
    Guideline(
        "claim", "CLAIM, 2024 update",
        "Tejani AS, et al. Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 update. Radiology: "
        "Artificial Intelligence 2024; 6: e240300. doi:10.1148/ryai.240300",
        44, 44,
    ),
    Guideline(
        "tripod-ai", "TRIPOD+AI",
        "Collins GS, et al. TRIPOD+AI statement: updated guidance for reporting clinical prediction models that use "
        "regression or machine learning methods. BMJ 2024; 385: e078378. doi:10.1136/bmj-2023-078378",
        27, 52,
    ),
)  # fmt: skip


@cache
def items(key: str) -> tuple[Item, ...]:
    """The rows of a checklist, in their order."""
    text = resources.files(__package__).joinpath(f"data/{key}.csv").read_text("utf-8")
    return tuple(
        Item(row["item"], row["section"], row["topic"], row["asks"], tuple(row["facts"].split()), row["authors"])
        for row in csv.DictReader(text.splitlines())
    )


def filled(guideline: Guideline, known: Known) -> tuple[Filled, ...]:
    """Every item with what is known of the study; what is not known is said to be for the authors, never made up."""
    said: Mapping[str, str] = {key: fact(known) for key, fact in FACTS.items()}
    return tuple(_filled(item, said) for item in items(guideline.key))


def _filled(item: Item, said: Mapping[str, str]) -> Filled:
    text = " ".join(dict.fromkeys(said[key] for key in item.facts if said[key]))
    if not text:
        return Filled(item, OPEN, "", item.authors or "Nothing is known of this in this study.")
    return Filled(item, PARTLY if item.authors else GIVEN, text, item.authors)


def checklist_sheet(guideline: Guideline, rows: tuple[Filled, ...]) -> Sheet:
    """A checklist as a table, a column for the place in the paper left free."""
    columns = (
        ("item", f"number of the item in {guideline.title}"), ("section", "part of the paper"),
        ("topic", "what the item is about"), ("asks", "what is to be reported, in this software's words"),
        ("state", f"{GIVEN}; {PARTLY}; {OPEN}"), ("known", "what the software knows of this study"),
        ("authors", "what the authors must complete"), ("page", "where it stands in the paper; for the authors"),
    )  # fmt: skip
    cells = tuple(
        (row.item.item, row.item.section, row.item.topic, row.item.asks, row.state, row.text, row.authors, None)
        for row in rows
    )
    return Sheet(guideline.key, columns, cells)


def markdown(guideline: Guideline, rows: tuple[Filled, ...], study: str) -> str:
    """The same as a document."""
    lines = [f"# {guideline.title}: {_cell(study)}", "", guideline.citation, "", VERIFIED]
    section = ""
    for row in rows:
        if row.item.section != section:
            section = row.item.section
            lines += ["", f"## {section}", "", "| Item | To be reported | This study |", "|---|---|---|"]
        parts = [row.text] if row.text else []
        if row.authors:
            parts.append(f"**{TO_BE_COMPLETED}:** {row.authors}")
        asked = f"**{row.item.topic}.** {row.item.asks}"
        lines.append(f"| {row.item.item} | {_cell(asked)} | {_cell(' '.join(parts))} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """A text that cannot end its cell."""
    return " ".join(text.replace("|", "\\|").split())
