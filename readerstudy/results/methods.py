"""The methods paragraph of a paper, written from the settings that were used: the frozen protocol and the results."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from readerstudy.results import methods_design
from readerstudy.results.analysis import ModelResult, QuestionResult, StudyResults, TestResult
from readerstudy.results.arrays import Provenance
from readerstudy.results.captions import asked_when
from readerstudy.results.conditions import words as conditions
from readerstudy.results.primary.words import planned_sentences, results_sentences
from readerstudy.studies.models import ProtocolVersion, Study
from readerstudy.studies.plan import Plan
from readerstudy.studies.protocol import document, frozen

PRIVATE = ("study.contact", "study.consent.text")


def protocol_document(study: Study) -> dict[str, Any]:
    """The protocol in force (a draft's as it stands), without what may name a person; `left_out` says what that is.

    `sha256` is that of the whole document, the parts left out included.
    """
    version = frozen(study)
    return _without_names(version.document if version else document(study), version)


def earlier_protocols(study: Study) -> dict[int, dict[str, Any]]:
    """The versions before the one in force, by number, in the same way; none of a protocol that was not amended."""
    versions = list(study.protocol_versions.order_by("number"))
    return {version.number: _without_names(version.document, version) for version in versions[:-1]}


def _without_names(content: dict[str, Any], version: ProtocolVersion | None) -> dict[str, Any]:
    about = {key: value for key, value in content["study"].items() if key != "contact"}
    about["consent"] = {"sha256": content["study"]["consent"]["sha256"]}
    return {
        **content,
        "study": about,
        "number": version.number if version else None,
        "sha256": version.sha256 if version else "",
        "left_out": list(PRIVATE),
    }


def methods(results: StudyResults, protocol: dict[str, Any]) -> tuple[str, ...]:
    """Paragraphs in the order of a paper: design, each test, the plan, the primary result, statistics, provenance."""
    described = {test["position"]: test for test in protocol["tests"]}
    paragraphs = [_design(results, protocol)]
    for test in results.tests:
        if test.position in described:
            told = described[test.position]
            paragraphs.append(_join([_cases(test, told), _reading(test), *methods_design.design(told)]))
        if test.conditions is not None:
            paragraphs.append(conditions.methods(test.conditions))
        if test.model is not None and results.provenance.model is not None:
            paragraphs.append(_model(test, test.model, results.provenance))
    return (
        *paragraphs,
        _join(planned_sentences(_plan(protocol), protocol["tests"])),
        _join(results_sentences(results.primary)),
        _statistics(results),
        _provenance(results.provenance),
    )


def _plan(protocol: dict[str, Any]) -> Plan | None:
    recorded = protocol.get("analysis_plan")
    return Plan.of(recorded) if recorded else None


def _join(sentences: list[str]) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _design(results: StudyResults, protocol: dict[str, Any]) -> str:
    said = {"title": results.provenance.study_title, "n": len(results.tests)}
    sentences = [_blinding(methods_design.shows_advice(protocol["tests"]), said)]
    if protocol["sha256"] and not results.provenance.amendments:
        sentences.append(
            _("The protocol was frozen before the first reading (version %(number)d, SHA-256 %(sha256)s).")
            % {"number": protocol["number"], "sha256": protocol["sha256"]}
        )
    sentences += amendment_sentences(results.provenance)
    if results.provenance.differs:
        sentences.append(
            _("The study no longer agrees with that protocol at: %(places)s.")
            % {"places": ", ".join(results.provenance.differs)}
        )
    if results.provenance.interim:
        sentences.append(_("These results are interim: they were computed before the study was unblinded."))
    return _join(sentences)


def _blinding(advice: bool, said: dict[str, Any]) -> str:
    """To what readers were blinded."""
    if advice:
        return ngettext(
            "In the reader study “%(title)s”, readers read the cases of %(n)d test in a web browser, blinded to the diagnoses and to each other's answers, and to the model's output but for the advice described here.",  # noqa: E501
            "In the reader study “%(title)s”, readers read the cases of %(n)d tests in a web browser, blinded to the diagnoses and to each other's answers, and to the model's output but for the advice described here.",  # noqa: E501
            said["n"],
        ) % said  # fmt: skip
    return ngettext(
        "In the reader study “%(title)s”, readers blinded to the diagnoses, to the model's output and to each other's answers read the cases of %(n)d test in a web browser.",  # noqa: E501
        "In the reader study “%(title)s”, readers blinded to the diagnoses, to the model's output and to each other's answers read the cases of %(n)d tests in a web browser.",  # noqa: E501
        said["n"],
    ) % said  # fmt: skip


AMENDABLE = (
    ("study.title", gettext_lazy("title")),
    ("study.description", gettext_lazy("what readers are told")),
    ("study.contact", gettext_lazy("whom to ask")),
    ("study.consent", gettext_lazy("consent text")),
    ("analysis_plan", gettext_lazy("analysis plan")),
)


def amendment_sentences(origin: Provenance) -> list[str]:
    """That the protocol was amended: when, what, why, and the hash of each version; nothing where it was not."""
    if not origin.amendments:
        return []
    said = [
        _("amendment %(n)d on %(date)s (%(what)s; reason: %(reason)s; SHA-256 %(sha256)s)")
        % {
            "n": one.number, "date": one.at[:10], "reason": one.reason, "sha256": one.protocol_sha256,
            "what": ", ".join(str(word) for name, word in AMENDABLE if any(p.startswith(name) for p in one.changed)),
        }
        for one in origin.amendments
    ]  # fmt: skip
    return [
        _("The protocol was frozen before the first reading and amended afterwards: %(amendments)s.")
        % {"amendments": "; ".join(said)}
    ]


def _cases(test: TestResult, described: dict[str, Any]) -> str:
    images, sample = described["image_set"], described["sample"]
    kept = [_("at most one image of each lesion")]
    if described["modality"]:
        kept.append(_("images of the kind “%(kind)s” only") % {"kind": described["modality"]})
    if described["histopathology_only"]:
        kept.append(_("diagnoses confirmed by histopathology only"))
    sentences = [
        _("%(title)s: images came from the set “%(set)s” (%(n)d images); %(kept)s.")
        % {"title": test.title, "set": images["name"], "n": images["n_images"], "kept": ", ".join(kept)},
        _("Positive cases had a diagnosis under %(positive)s, negative cases one under %(negative)s.")
        % {side: _nodes(described[side]) for side in ("positive", "negative")},
        _drawn(sample),
        _("This gave %(n)d cases (%(positive)d positive, %(negative)d negative).")
        % {"n": test.n_cases, "positive": test.n_positive, "negative": test.n_negative},
        _("Diagnoses were known by: %(how)s.")
        % {"how": ", ".join(f"{how} {n}" for how, n in test.confirmations.items())}
        if test.confirmations
        else "",
    ]
    return _join(sentences)


def _nodes(nodes: list[dict[str, str]]) -> str:
    return ", ".join(_("“%s”") % (node["name"] or node["id"]) for node in nodes)


def _drawn(sample: dict[str, Any]) -> str:
    if sample["size"] is None:
        return _("Every image that fitted was used.")
    if sample["positives"] is None:
        return _("Of the images that fitted, %(n)d were drawn at random (seed “%(seed)s”).") % {
            "n": sample["size"],
            "seed": sample["seeds"]["sample"],
        }
    return _("Of the images that fitted, %(n)d were drawn at random, %(p)d of them positive (seed “%(seed)s”).") % {
        "n": sample["size"],
        "p": sample["positives"],
        "seed": sample["seeds"]["sample"],
    }


def _reading(test: TestResult) -> str:
    sentences = [
        ngettext(
            "%(n)d reader was asked to read them, in a random order.",
            "%(n)d readers were asked to read them, each in a random order of his or her own.",
            test.n_readers,
        )
        % {"n": test.n_readers}
    ]
    if test.n_withdrawn:
        sentences.append(
            ngettext(
                "%(n)d more withdrew and is in no number.",
                "%(n)d more withdrew and are in no number.",
                test.n_withdrawn,
            )
            % {"n": test.n_withdrawn}
        )
    return _join(sentences + [said for one in test.questions for said in (_question(one), *asked_when(one))])


def _question(question: QuestionResult) -> str:
    return _(
        "Asked “%(text)s”, they chose between “%(positive)s”, which counted as positive, and “%(negative)s”, which counted as negative; %(complete)d answered every case, %(partial)d a part of them, %(none)d had not begun."  # noqa: E501
    ) % {
        "text": question.text,
        "positive": "”, “".join(question.positive_labels),
        "negative": "”, “".join(question.negative_labels),
        "complete": question.n_complete,
        "partial": question.n_partial,
        "none": question.n_none,
    }


def _model(test: TestResult, model: ModelResult, origin: Provenance) -> str:
    facts = origin.model
    if facts is None:
        return ""
    prepared = ", ".join(f"{key} {value}" for key, value in sorted(facts.preprocessing.items()))
    sentences = [
        _("The model “%(name)s” (%(architecture)s, %(n)d training classes, weights SHA-256 %(sha256)s; input: %(prepared)s) scored the images of “%(title)s”.")  # noqa: E501
        % {
            "name": facts.name, "architecture": facts.architecture, "n": facts.n_classes, "sha256": facts.sha256,
            "prepared": prepared, "title": test.title,
        },
    ]  # fmt: skip
    if model.problem:
        return _join([*sentences, _("It could not be used: %(problem)s") % {"problem": model.problem}])
    sentences.append(
        _("A case's score is P(positive) / (P(positive) + P(negative)), each the sum over the training classes under that side's diagnoses; of several pictures of a case, the mean.")  # noqa: E501
    )  # fmt: skip
    if not model.leaks_checked:
        sentences.append(_("Whether it was trained on any of these images could not be checked."))
    elif model.leaked_cases or model.n_leaked_full:
        sentences.append(
            _("The image, lesion or patient was in its training set for %(cases)d of the cases and %(full)d of the images of the full set; none was left out for that.")  # noqa: E501
            % {"cases": len(model.leaked_cases), "full": model.n_leaked_full}
        )  # fmt: skip
    else:
        sentences.append(_("None of the images, lesions or patients was in its training set."))
    if model.n_unscored_cases or model.n_unscored_full:
        sentences.append(
            _(
                "Without a score, and so left out of its curves: %(cases)d of the cases and %(full)d of the images of the full set."  # noqa: E501
            )
            % {"cases": model.n_unscored_cases, "full": model.n_unscored_full}
        )
    return _join(sentences)


def _statistics(results: StudyResults) -> str:
    questions = [question for test in results.tests for question in test.questions]
    sentences = []
    points = [reader.point.sensitivity for question in questions for reader in question.readers]
    if points:
        sentences.append(
            _("Each reader's sensitivity and specificity have %(level)d%% Wilson intervals (Clopper-Pearson in the tables).")  # noqa: E501
            % {"level": round(100 * points[0].level)}
        )  # fmt: skip
    averages = [question.average.sensitivity for question in questions if question.average.sensitivity.is_defined]
    if averages:
        sentences.append(
            _("The average reader is the mean over complete readers, with the standard deviation between readers and a %(level)d%% confidence interval of the mean (%(method)s).")  # noqa: E501
            % {"level": round(100 * averages[0].level), "method": averages[0].method}
        )  # fmt: skip
    aucs = [
        curve.auc
        for test in results.tests
        if test.model is not None
        for curve in (test.model.sample, test.model.full)
        if curve is not None and curve.auc.is_defined
    ]
    if aucs:
        sentences.append(
            _("Areas under the model's empirical ROC curves have %(level)d%% confidence intervals (%(methods)s).")
            % {"level": round(100 * aucs[0].level), "methods": ", ".join(sorted({auc.method for auc in aucs}))}
        )
    sentences += dict.fromkeys(question.missing_rule for question in questions)
    return _join(sentences)


def _provenance(origin: Provenance) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in origin.software)
    return _("All random draws follow from the study's seed %(seed)d. Software: %(versions)s.") % {
        "seed": origin.seed,
        "versions": versions,
    }
