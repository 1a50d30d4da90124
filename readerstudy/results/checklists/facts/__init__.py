"""What the software knows of a study that a checklist asks for: a sentence or two for each, or nothing at all."""

from collections.abc import Callable

from readerstudy.results.checklists.facts import design, findings
from readerstudy.results.checklists.facts.known import Known

__all__ = ["FACTS", "Known"]

FACTS: dict[str, Callable[[Known], str]] = {
    "design": design.design,
    "consent": design.consent,
    "plan": design.plan,
    "eligibility": design.eligibility,
    "reading_dates": design.reading_dates,
    "sampling": design.sampling,
    "image_sets": design.image_sets,
    "modalities": design.modalities,
    "model_software": design.model_software,
    "software": design.software,
    "preprocessing": design.preprocessing,
    "model": design.model,
    "readers_task": design.readers_task,
    "readers_profile": design.readers_profile,
    "leaks": findings.leaks,
    "cutoffs": design.cutoffs,
    "reference": design.reference,
    "sides": design.sides,
    "blinding_readers": design.blinding_readers,
    "blinding_reference": design.blinding_reference,
    "statistics": design.statistics,
    "indeterminate": design.indeterminate,
    "missing": findings.missing,
    "variability": design.variability,
    "sample_size": design.sample_size,
    "errors": findings.errors,
    "subgroups": findings.subgroups,
    "flow": findings.flow,
    "characteristics": findings.characteristics,
    "positives": findings.positives,
    "negatives": findings.negatives,
    "prevalence": findings.prevalence,
    "crosstab": findings.crosstab,
    "measures": findings.measures,
    "notes": findings.notes,
    "protocol": design.protocol,
    "export": design.export,
    "audit": design.audit,
    "recompute": design.recompute,
    "deidentification": design.deidentification,
    "explanation": findings.explanation,
    "predictors": design.predictors,
    "updating": design.updating,
    "scores": design.scores,
    "poor_input": design.poor_input,
}
