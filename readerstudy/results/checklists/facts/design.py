"""Facts of a study's design: what was planned, asked, shown and kept."""

from typing import Any

from readerstudy.results.analysis import TestResult
from readerstudy.results.arrays import TestTable
from readerstudy.results.checklists.facts.known import EXPORT, Known, counted, each
from readerstudy.results.methods import amendment_sentences
from readerstudy.results.methods_design import shows_advice
from readerstudy.results.primary.words import planned_sentences


def design(known: Known) -> str:
    frozen = known.protocol["sha256"]
    reading = f" under a protocol frozen before the first reading (SHA-256 {frozen[:12]}…)" if frozen else ""
    if known.results.provenance.amendments:
        reading = " under a protocol frozen before the first reading and amended afterwards"
    return f"Images and reference standard were there before the study began; readers read prospectively{reading}."


def consent(known: Known) -> str:
    return "Readers consented before their first case, to a text whose SHA-256 is in the protocol."


def plan(known: Known) -> str:
    return " ".join(planned_sentences(known.plan, known.protocol["tests"])) if known.plan else ""


def eligibility(known: Known) -> str:
    def say(test: TestResult, table: TestTable, planned: dict[str, Any]) -> str:
        if not planned:
            return ""
        names = [", ".join(node["name"] or node["id"] for node in planned[side]) for side in ("positive", "negative")]
        rules = [f"diagnosis under {names[0]} (positive) or {names[1]} (negative)"]
        rules += [f"images of the kind {planned['modality']}"] if planned["modality"] else []
        rules += ["diagnosis confirmed by histopathology"] if planned["histopathology_only"] else []
        rules.append("one image of each lesion")
        return f"Applied in this order: {'; '.join(rules)} {EXPORT.format(f'test-{test.position}/flow.csv')}."

    return each(known, say)


def reading_dates(known: Known) -> str:
    answers = [test.answers for test in known.tables.tests if test.answers is not None]
    times = [time for found in answers for time in found.answered_at if time is not None]
    return f"Readings from {min(times):%Y-%m-%d} to {max(times):%Y-%m-%d}." if times else ""


def sampling(known: Known) -> str:
    def say(test: TestResult, table: TestTable, planned: dict[str, Any]) -> str:
        sample = planned.get("sample")
        if not sample:
            return ""
        if sample["size"] is None:
            return "Every eligible image was used."
        fixed = f", {sample['positives']} of them positive" if sample["positives"] is not None else ""
        return f"{sample['size']} cases{fixed} were drawn at random from the eligible images (seed in the protocol)."

    return each(known, say)


def image_sets(known: Known) -> str:
    sets = known.results.provenance.image_sets
    return " ".join(f"Image set “{used.name}”: {used.n_images} images, SHA-256 {used.sha256[:12]}…." for used in sets)


def modalities(known: Known) -> str:
    def say(test: TestResult, table: TestTable, planned: dict[str, Any]) -> str:
        return f"Cases by kind of image: {counted(table.cases.modalities)}."

    return each(known, say)


def model_software(known: Known) -> str:
    model = known.results.provenance.model
    return f"The model's architecture is {model.architecture}." if model else ""


def software(known: Known) -> str:
    return f"Analysed with {', '.join(f'{name} {version}' for name, version in known.results.provenance.software)}."


def preprocessing(known: Known) -> str:
    model = known.results.provenance.model
    shown = "Readers saw the images at full resolution; each was re-encoded, pixels only, when it was stored."
    if model is None:
        return shown
    prepared = ", ".join(f"{key} {value}" for key, value in sorted(model.preprocessing.items()))
    return f"{shown} For the model: {prepared}."


def model(known: Known) -> str:
    model = known.results.provenance.model
    if model is None:
        return ""
    return (
        f"Model “{model.name}”: {model.architecture}, {model.n_classes} training classes, weights SHA-256 "
        f"{model.sha256}; the checkpoint holds classes, taxonomy and preprocessing."
    )


def readers_task(known: Known) -> str:
    def say(test: TestResult, table: TestTable, planned: dict[str, Any]) -> str:
        asked = "; ".join(f"“{question.text}”" for question in test.questions)
        return f"{test.n_readers} readers were asked {asked} of {test.n_cases} cases."

    return each(known, say)


def readers_profile(known: Known) -> str:
    def say(test: TestResult, table: TestTable, planned: dict[str, Any]) -> str:
        if table.attributes is None or not table.readers:
            return ""
        found = table.attributes
        known_to = [label or "not stated" for label in found.specialties]
        return f"Readers of this study by specialty: {counted(known_to)}."

    return each(known, say)


def cutoffs(known: Known) -> str:
    def say(test: TestResult, table: TestTable, planned: dict[str, Any]) -> str:
        return "; ".join(f"“{'”, “'.join(q.positive_labels)}” counts as positive" for q in test.questions) + "."

    stated = "The model's ROC curve uses every cut-off."
    if known.plan is None:
        stated += " Operating points matched to the readers are chosen on the test set, and exploratory."
    return f"Readers: {each(known, say)} {stated}"


def reference(known: Known) -> str:
    def say(test: TestResult, table: TestTable, planned: dict[str, Any]) -> str:
        how = ", ".join(f"{how} {n}" for how, n in test.confirmations.items())
        return f"Diagnoses of the {test.n_cases} cases known by: {how}."

    return each(known, say)


def sides(known: Known) -> str:
    def say(test: TestResult, table: TestTable, planned: dict[str, Any]) -> str:
        if not planned:
            return ""
        names = [", ".join(node["name"] or node["id"] for node in planned[side]) for side in ("positive", "negative")]
        return f"positive: {names[0]}; negative: {names[1]}, fixed in the protocol."

    return each(known, say)


def blinding_readers(known: Known) -> str:
    saw = "Readers saw neither diagnosis nor the model's output nor each other's answers"
    if shows_advice(known.protocol["tests"]):
        saw = (
            "Readers saw neither diagnosis nor each other's answers, and of the model's output only the advice that "
            "the methods paragraph describes, after their answers without it were stored"
        )
    return f"{saw}; file names, order and numbers of the cases tell nothing. The model had pixels only."


def blinding_reference(known: Known) -> str:
    return "The reference standard was fixed before any index test: its assessors knew neither model nor readers."


def statistics(known: Known) -> str:
    return f"The methods paragraph names every method that was used {EXPORT.format('methods.txt')}."


def indeterminate(known: Known) -> str:
    return "Readers could give no indeterminate answer; a score that is not a number is missing."


def variability(known: Known) -> str:
    return "Between readers: standard deviations, each reader's own point, agreement; subgroups of cases and readers. What the plan does not name is labelled exploratory."  # noqa: E501


def sample_size(known: Known) -> str:
    def say(test: TestResult, table: TestTable, planned: dict[str, Any]) -> str:
        return f"{test.n_cases} cases ({test.n_positive} positive) and {test.n_readers} readers."

    return each(known, say)


def protocol(known: Known) -> str:
    if not known.protocol["sha256"]:
        return ""
    in_force = (
        f"Protocol version {known.protocol['number']}, SHA-256 {known.protocol['sha256']} "
        f"{EXPORT.format('protocol.json')}."
    )
    return " ".join([in_force, *amendment_sentences(known.results.provenance)])


def export(known: Known) -> str:
    return "The export holds answers, scores and tables with a data dictionary, without any image or person's name but small pictures within figures."  # noqa: E501


def audit(known: Known) -> str:
    return "Every answer and score is stored once in tables that only grow; acts of persons are in an audit record; the export's manifest has the SHA-256 of every file."  # noqa: E501


def recompute(known: Known) -> str:
    return "`python -m readerstudy.results.recompute` computes every number of the export again."


def deidentification(known: Known) -> str:
    return "Images were re-encoded to pixels only: no metadata and no original name remains where readers or exports can see it."  # noqa: E501


def predictors(known: Known) -> str:
    return "The only predictor is the image: no one chose or judged features." if known.results.provenance.model else ""


def updating(known: Known) -> str:
    return (
        "The model was evaluated as it was registered; nothing was recalibrated."
        if known.results.provenance.model
        else ""
    )


def scores(known: Known) -> str:
    if known.results.provenance.model is None:
        return ""
    return "P(positive) / (P(positive) + P(negative)), each the sum over the training classes under that side's diagnoses; probabilities of every case are in probabilities.csv."  # noqa: E501


def poor_input(known: Known) -> str:
    return "Here, a picture that cannot be decoded gets no score and the reason is kept."
