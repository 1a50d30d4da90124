"""How far every reader of a study has come: for the page on which the administrator follows them."""

from readerstudy.readings.models import Reading
from readerstudy.studies.models import Study


def of_study(study: Study) -> dict[int, dict[int, tuple[int, int]]]:
    """Reader's id -> test's id -> (cases answered, cases in all), over every reading of the test that was begun."""
    found: dict[int, dict[int, tuple[int, int]]] = {}
    readings = Reading.objects.filter(reader__study=study).with_progress()
    rows = readings.values_list("reader_id", "test_id", "n_answered", "n_items")  # type: ignore[misc]  # annotations
    for reader, test, n_answered, n_items in rows:
        answered, items = found.setdefault(reader, {}).get(test, (0, 0))
        found[reader][test] = (answered + n_answered, items + n_items)
    return found
