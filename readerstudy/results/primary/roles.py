"""What a number is in its study: the primary endpoint, a secondary one named in the plan, or exploratory."""

from readerstudy.studies.plan import PRIMARY as PRIMARY_CONTRAST
from readerstudy.studies.plan import PRIMARY_ANALYSIS, SECONDARY, Amended, Contrast, Plan

PRIMARY, NAMED, EXPLORATORY = "primary endpoint", "secondary", "exploratory"
OTHER_QUESTIONS = "other questions"
STAGES_AND_ARMS = "stages and arms"
QUANTITIES = tuple(name for name in SECONDARY if name != OTHER_QUESTIONS)


def roles_of(plan: Plan | None, *, first_question: bool = True) -> dict[str, str]:
    """The role of each quantity of a question: what is computed beside the primary analysis is never primary itself.

    A question after a test's first is secondary, as a whole, where the plan names the other questions.
    """
    if first_question:
        return {name: _role(plan, name) for name in QUANTITIES}
    return dict.fromkeys(QUANTITIES, _role(plan, OTHER_QUESTIONS))


def _role(plan: Plan | None, name: str) -> str:
    if plan is None or name not in plan.secondary:
        return EXPLORATORY
    return _since(NAMED, "added", plan.amendment_of(name))


def role_of_primary(plan: Plan) -> str:
    """That of the primary analysis, which an amendment may have changed."""
    return _since(PRIMARY, "changed", plan.amendment_of(PRIMARY_ANALYSIS))


def role_of_contrast(plan: Plan, contrast: Contrast) -> str:
    """That of a comparison of two conditions which the plan names; an amendment may have added a secondary one."""
    if contrast.role == PRIMARY_CONTRAST:
        return role_of_primary(plan)
    return _since(NAMED, "added", plan.amendment_of(contrast.key))


def _since(role: str, how: str, came: Amended | None) -> str:
    return role if came is None else f"{role}, {how} by amendment {came.amendment} on {came.date}"


def kind_of(role: str) -> str:
    """A role without the amendment that it came with."""
    return role.partition(", ")[0]


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
