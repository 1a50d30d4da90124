"""What a number is in its study: the primary endpoint, a secondary one named in the plan, or exploratory."""

from readerstudy.studies.plan import SECONDARY, Plan

PRIMARY, NAMED, EXPLORATORY = "primary endpoint", "secondary", "exploratory"
OTHER_QUESTIONS = "other questions"
QUANTITIES = tuple(name for name in SECONDARY if name != OTHER_QUESTIONS)


def roles_of(plan: Plan | None, *, first_question: bool = True) -> dict[str, str]:
    """The role of each quantity of a question: what is computed beside the primary analysis is never primary itself.

    A question after a test's first is secondary, as a whole, where the plan names the other questions.
    """
    named = plan.secondary if plan is not None else ()
    if first_question:
        return {name: NAMED if name in named else EXPLORATORY for name in QUANTITIES}
    return dict.fromkeys(QUANTITIES, NAMED if OTHER_QUESTIONS in named else EXPLORATORY)


def role_of_model(plan: Plan | None) -> str:
    """That of the model's areas under the curve."""
    return roles_of(plan)["auc"]


NO_RESULT = ("flow", "taxonomy")  # figures that show no outcome of the study: they have no role in its plan
# The other figures of a test's own page, by name -> what their numbers are; what is not here is exploratory.
FIGURES = {
    "forest": "each reader", "agreement": "agreement", "pooled": "pooled", "calibration": "calibration",
    "decision-curve": "decisions", "excisions": "decisions", "subgroups": "subgroups",
}  # fmt: skip


def role_of_figure(roles: dict[str, str], figure: str) -> str:
    """The role of a figure of a test's own page, from the ``roles`` of its question; empty: it has none."""
    if figure in NO_RESULT:
        return ""
    return roles.get(FIGURES.get(figure, ""), EXPLORATORY)
