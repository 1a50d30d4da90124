"""Every number of a drawn study's pages: from its arrays alone, and from a database through the real queries."""

from typing import Any

from readerstudy.readings.models import Reading
from readerstudy.results import computing
from readerstudy.results.analysis import analyse, analyse_tests
from readerstudy.results.benchmark.drawn import Size, drawn_test
from readerstudy.results.benchmark.measuring import Say, peak_megabytes, timed
from readerstudy.results.parts import a_core_each
from readerstudy.results.primary.numbers import primary_analysis
from readerstudy.results.supplement.numbers import parts_of, supplement
from readerstudy.results.tables import images_to_score, study_tables
from readerstudy.results.tables.packed import keep_ended
from readerstudy.scoring.models import ModelVersion
from readerstudy.studies import presets
from readerstudy.studies.models import Study
from readerstudy.studies.plan import Plan


def from_arrays(say: Say, size: Size, *, seed: int) -> None:
    """The main page and "More about this test", both from arrays in memory."""
    say(f"{size}: every number of the results' pages, from arrays")
    plan = Plan(seed=seed, **presets.PLAN)
    table, _s = timed(say, "(drawing the study)", lambda: drawn_test(size, seed=seed))
    (test,), first = timed(say, "main page: curves, readers, averages", lambda: analyse_tests((table,), plan))
    with a_core_each():  # as in `Subject.compute`
        _primary, second = timed(
            say, "main page: primary analysis, 2,000 replicates", lambda: primary_analysis(plan, (table,))
        )
        for name, part in parts_of(table, test, test.questions[0].position, seed=0).items():
            timed(say, f"  alone: {name}", part)
    _more, third = timed(say, "more about this test, two parts at a time", lambda: supplement(table, test))
    say(f"  every number {first + second + third:.2f} s, peak {peak_megabytes():.0f} MB")


def prepare(say: Say) -> None:
    """What a worker does once for each reading as it ends, and a page when the study's images are given to a model."""
    study = Study.objects.get()
    readings = Reading.objects.filter(test__study=study)
    timed(say, "a worker keeps the answers of ended readings", lambda: keep_ended(readings))
    timed(say, "the full set is found, for scoring", lambda: images_to_score(study))


def from_database(say: Say) -> None:
    """The same through the tables, as a worker does it, and then found again. For a database with one study."""
    study, model = Study.objects.get(), ModelVersion.objects.get()
    say("The same study from a database")
    row = study.tests.select_related("study").get()

    def main() -> Any:
        return computing.results_of(study, model, here=_quiet)

    def deeper() -> Any:
        return computing.supplement_of(row, 1, model, here=_quiet)

    _found, one = timed(say, "main page, computed once and kept", main)
    _found, other = timed(say, "more about this test, computed once and kept", deeper)
    _found, second = timed(say, "both, found again", lambda: (main(), deeper()))
    peak = peak_megabytes()
    _main_page(say, study, model)
    _test_page(say, study, model)
    say(f"  a first look {one + other:.2f} s, a second {second:.2f} s, peak {peak:.0f} MB")


def _main_page(say: Say, study: Study, model: ModelVersion) -> None:
    with a_core_each():  # as in `Subject.compute`
        tables, first = timed(say, "main page: queries", lambda: study_tables(study, model))
        _found, second = timed(say, "main page: numbers", lambda: analyse(tables))
    say(f"  main page {first + second:.2f} s")


def _test_page(say: Say, study: Study, model: ModelVersion) -> None:
    tables, first = timed(
        say, "more about this test: queries", lambda: study_tables(study, model, detailed=True, named=False)
    )
    results, second = timed(say, "more about this test: curves", lambda: analyse_tests(tables.tests, tables.plan))
    _more, third = timed(say, "more about this test: numbers", lambda: supplement(tables.tests[0], results[0]))
    say(f"  more about this test {first + second + third:.2f} s")


def _quiet(done: int, total: int) -> None:
    """Nobody watches."""
