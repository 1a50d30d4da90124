"""What facts are drawn from, and how they are said."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from readerstudy.results.analysis import StudyResults, TestResult
from readerstudy.results.arrays import StudyTables, TestTable
from readerstudy.studies.plan import Plan

EXPORT = "(see {} of the export)"


@dataclass(frozen=True, slots=True)
class Known:
    """A study's numbers, the arrays behind them (detailed), its protocol, and whether saliency maps were made."""

    results: StudyResults
    tables: StudyTables
    protocol: dict[str, Any]
    n_maps: int = 0

    @property
    def tests(self) -> Iterator[tuple[TestResult, TestTable, dict[str, Any]]]:
        """Each test's numbers, arrays and protocol."""
        planned = {test["position"]: test for test in self.protocol["tests"]}
        for test, table in zip(self.results.tests, self.tables.tests, strict=True):
            yield test, table, planned.get(test.position, {})

    @property
    def plan(self) -> Plan | None:
        recorded = self.protocol.get("analysis_plan")
        return Plan.of(recorded) if recorded else None


def each(known: Known, say: Callable[[TestResult, TestTable, dict[str, Any]], str]) -> str:
    """A sentence for each test, with its title where there are several."""
    several = len(known.results.tests) > 1
    said = [(test.title, say(test, table, planned)) for test, table, planned in known.tests]
    return " ".join(f"{title}: {text}" if several else text for title, text in said if text)


def counted(labels: tuple[str, ...] | list[str]) -> str:
    counts = sorted(Counter(labels).items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{label} {n}" for label, n in counts) or "none"
