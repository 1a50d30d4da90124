"""The checklists: their numbering, what is filled in and what is left, and that nothing is made up."""

import csv
import io
import re

import pytest

from readerstudy.results.analysis import analyse
from readerstudy.results.checklists.facts import FACTS, Known
from readerstudy.results.checklists.lists import (
    GIVEN,
    GUIDELINES,
    OPEN,
    PARTLY,
    TO_BE_COMPLETED,
    VERIFIED,
    Guideline,
    checklist_sheet,
    filled,
    items,
    markdown,
)
from readerstudy.results.methods import protocol_document
from readerstudy.results.tables import study_tables
from readerstudy.studies.models import Study
from tests.results.conftest import Worked

# The parts of each numbered item, as the guidelines have them (40, 44 and 27 numbered items; see lists.GUIDELINES).
PARTS = {
    "stard-ai": {15: "abcd", 16: "abc", 17: "ab", 26: "ab", 40: "ab"},
    "claim": {},
    "tripod-ai": {
        3: "abc", 5: "ab", 6: "abc", 8: "abc", 9: "abc", 12: "abcdefg", 18: "abcdef", 20: "abc", 23: "ab", 27: "abc",
    },
}  # fmt: skip


def known(study: Study, worked: Worked | None) -> Known:
    tables = study_tables(study, worked.model if worked else None, detailed=True)
    return Known(analyse(tables), tables, protocol_document(study))


@pytest.mark.parametrize("guideline", GUIDELINES, ids=lambda guideline: guideline.key)
def test_items_are_numbered_as_in_the_guideline(guideline: Guideline) -> None:
    parts: dict[int, str] = PARTS[guideline.key]
    expected = [f"{number}{part}" for number in range(1, guideline.n_items + 1) for part in parts.get(number, [""])]
    found = items(guideline.key)
    assert [item.item for item in found] == expected
    assert len(found) == guideline.n_rows
    assert all(item.section and item.topic and item.asks for item in found)
    assert all(item.facts or item.authors for item in found)


def test_every_fact_is_asked_for_and_every_one_asked_for_is_there() -> None:
    asked = {fact for guideline in GUIDELINES for item in items(guideline.key) for fact in item.facts}
    assert asked == set(FACTS)


def test_what_is_known_is_filled_in_from_the_numbers(worked: Worked) -> None:
    """The numbers are those worked by hand in tests/results/conftest.py: AUC 20.5 / 24, mean sensitivity 0.625."""
    rows = {row.item.item: row for row in filled(GUIDELINES[0], known(worked.study, worked))}
    assert rows["31"].state == GIVEN
    assert "AUC of the model 0.854" in rows["31"].text
    assert "average reader's sensitivity 0.625" in rows["31"].text
    assert rows["22"].state == PARTLY
    assert "10 cases (4 positive) and 2 readers" in rows["22"].text
    assert worked.model.sha256 in rows["15a"].text
    assert "melanocytic-naevus 6" in rows["26b"].text
    assert "melanocytic-naevus" not in rows["26a"].text
    assert "10 images, of which 10 were read; 2 readers invited, of whom 2 answered every case" in rows["24"].text
    assert worked.study.protocol_versions.get().sha256 in rows["37"].text


def test_what_is_not_known_is_left_to_the_authors(opened: Study) -> None:
    """Without a model and a reader, nothing is said of a model's accuracy; funding is never filled in."""
    for guideline in GUIDELINES:
        rows = filled(guideline, known(opened, None))
        assert len(rows) == guideline.n_rows
        for row in rows:
            assert (row.state == OPEN) == (not row.text), row.item
            assert row.text or row.authors, row.item
        text = " ".join(row.text for row in rows)
        assert "AUC of the model" not in text
        assert "weights" not in text
        funding = [row for row in rows if "unding" in row.item.topic or "unding" in row.item.asks]
        assert funding, guideline.key
        assert {row.state for row in funding} == {OPEN}


def test_as_a_document_and_as_a_table(worked: Worked) -> None:
    Study.objects.filter(pk=worked.study.pk).update(title="A | B\n# C")
    worked.study.refresh_from_db()
    for guideline in GUIDELINES:
        rows = filled(guideline, known(worked.study, worked))
        text = markdown(guideline, rows, worked.study.title)
        assert text.startswith(f"# {guideline.title}: A \\| B # C\n")
        assert VERIFIED in text
        lines = [line for line in text.splitlines() if re.match(r"\| \d", line)]
        assert len(lines) == guideline.n_rows
        assert all(len(re.findall(r"(?<!\\)\|", line)) == 4 for line in lines)
        assert TO_BE_COMPLETED in text
        table = list(csv.DictReader(io.StringIO(checklist_sheet(guideline, rows).to_csv().decode(), newline="")))
        assert [row["item"] for row in table] == [item.item for item in items(guideline.key)]
        assert {row["page"] for row in table} == {""}
