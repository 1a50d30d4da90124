"""Facts of what a study found, and on what."""

from collections.abc import Iterator
from typing import Any

from readerstudy.results.analysis import ModelResult, TestResult
from readerstudy.results.arrays import TestTable
from readerstudy.results.captions import estimate, number
from readerstudy.results.checklists.facts.known import EXPORT, Known, counted, each


def leaks(known: Known) -> str:
    said = []
    for test, model in _models(known):
        if not model.leaks_checked:
            said.append(f"{test.title}: the checkpoint does not say what the model was trained on.")
        else:
            n = len(model.leaked_cases)
            said.append(
                f"{test.title}: {n} cases and {model.n_leaked_full} images of the full set share picture, lesion or "
                "patient with the model's training set."
            )
    return " ".join(said)


def _models(known: Known) -> Iterator[tuple[TestResult, ModelResult]]:
    for test in known.results.tests:
        if test.model is not None and not test.model.problem:
            yield test, test.model


def missing(known: Known) -> str:
    def say(test: TestResult, table: TestTable, planned: dict[str, Any]) -> str:
        missing = sum(question.n_missing for question in test.questions)
        unscored = test.model.n_unscored_cases if test.model is not None else 0
        return f"{missing} answers and the scores of {unscored} cases are missing. {test.questions[0].missing_rule}"

    return each(known, say)


def errors(known: Known) -> str:
    return "Confusion matrices, and the cases that every reader or the model got wrong, are on each test's own page (confusion and disagreement in results.json)."  # noqa: E501


def subgroups(known: Known) -> str:
    found = {
        name
        for table in known.tables.tests
        if table.attributes is not None
        for name in ("sexes", "ages", "sites", "skin_types")
        if len({label for label in getattr(table.attributes, name) if label is not None}) > 1
    }
    names = {"sexes": "sex", "ages": "age", "sites": "site", "skin_types": "skin type"}
    if not found:
        return ""
    listed = ", ".join(names[name] for name in names if name in found)
    return f"Accuracy in subgroups by {listed} and by diagnosis {EXPORT.format('the figures “subgroups”')}."


def flow(known: Known) -> str:
    def say(test: TestResult, table: TestTable, planned: dict[str, Any]) -> str:
        if table.flow is None:
            return ""
        counts = table.flow
        where = EXPORT.format(f"test-{test.position}/flow.svg")
        return (
            f"{counts.n_images} images, of which {counts.n_case_images} were read; {counts.n_invited} readers invited, "
            f"of whom {test.questions[0].n_complete} answered every case {where}."
        )

    return each(known, say)


def characteristics(known: Known) -> str:
    def say(test: TestResult, table: TestTable, planned: dict[str, Any]) -> str:
        if table.attributes is None:
            return ""
        sexes = counted([label or "not stated" for label in table.attributes.sexes])
        ages = counted([label or "not stated" for label in table.attributes.ages])
        return f"Sex: {sexes}. Age: {ages} {EXPORT.format(f'test-{test.position}/attributes.csv')}."

    return each(known, say)


def positives(known: Known) -> str:
    return _diagnoses(known, 1, "positive")


def negatives(known: Known) -> str:
    return _diagnoses(known, 0, "negative")


def _diagnoses(known: Known, side: int, word: str) -> str:
    def say(test: TestResult, table: TestTable, planned: dict[str, Any]) -> str:
        chosen = [
            d for d, truth in zip(table.cases.diagnoses, table.cases.truth.tolist(), strict=True) if truth == side
        ]
        return f"Diagnoses of the {word} cases: {counted(chosen)}."

    return each(known, say)


def prevalence(known: Known) -> str:
    def say(test: TestResult, table: TestTable, planned: dict[str, Any]) -> str:
        share = number(test.n_positive / test.n_cases) if test.n_cases else "—"
        return f"{share} of the cases are positive, as the study drew them."

    return each(known, say)


def crosstab(known: Known) -> str:
    return (
        "TP, FN, TN and FP of each reader are in readers.csv, those of the model at matched cut-offs in results.json."
    )


def measures(known: Known) -> str:
    said = []
    for test in known.results.tests:
        model = test.model
        if model is not None and model.sample is not None and model.sample.auc.is_defined:
            said.append(f"{test.title}: AUC of the model {estimate(model.sample.auc)}.")
        average = test.questions[0].average if test.questions else None
        if average is not None and average.sensitivity.is_defined:
            said.append(
                f"{test.title}: average reader's sensitivity {estimate(average.sensitivity)}, specificity "
                f"{estimate(average.specificity)}."
            )
    return " ".join(said)


def notes(known: Known) -> str:
    notes = dict.fromkeys(note for test in known.results.tests for note in test.notes)
    return f"What the software noted beside the numbers: {' '.join(notes)}" if notes else ""


def explanation(known: Known) -> str:
    if not known.n_maps:
        return ""
    return (
        f"Saliency maps of {known.n_maps} cases: the L1 norm over the colours of the gradient of −log P at the input."
    )
