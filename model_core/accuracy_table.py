"""What `crossvalidate` found, as the paper's Extended Data Table 2: as text, CSV and Markdown.

Source: Esteva et al., Nature 542:115-118 (2017), Extended Data Table 2: mean and standard deviation over folds of the
mean per-class accuracy, a row for each way to train, a column for each level of the taxonomy.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

WORDS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine"}

# found: {arm: {"levels": {level: {"folds", "mean", "sd", "classes"}}, "tests": {name: {...}}}}, as
# `crossvalidate.summary` gives it; names: the arms, the one that answers every level first.


def rows(found: dict[str, Any], names: Sequence[str], levels: Sequence[int]) -> list[tuple[str, ...]]:
    """The head, then a row for each way to train that there is: "72.1 ± 0.9 %", or "-" where nothing was found."""
    # of whichever way answers the level: a partition's class may hold several of its nodes
    per_level = [
        [f["levels"][str(level)]["classes"] for f in found.values() if str(level) in f["levels"]] for level in levels
    ]
    sizes = [max(sizes) for sizes in per_level]
    made = [("", *(f"{WORDS.get(size, size)}-way" for size in sizes))]
    if any(f"direct, level {level}" in found for level in levels):
        made.append(("CNN, trained directly", *(_cell(found, f"direct, level {level}", level) for level in levels)))
    kind = "partition" if "partition" in found else "labels"
    made.append((f"CNN, trained on the {kind}", *(_cell(found, names[0], level) for level in levels)))
    return made


def table(found: dict[str, Any], names: Sequence[str], levels: Sequence[int]) -> str:
    """For a terminal; the named tests below."""
    made = rows(found, names, levels)
    width = max(len(row[0]) for row in made)
    lines = [f"{row[0]:{width}}  " + "  ".join(f"{cell:>15}" for cell in row[1:]) for row in made]
    return "\n".join(lines + _tests(found, names))


def as_markdown(found: dict[str, Any], names: Sequence[str], levels: Sequence[int]) -> str:
    """For a paper, with what the numbers are."""
    head, *body = rows(found, names, levels)
    folds = len(found[names[0]]["levels"][str(levels[0])]["folds"])
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in body]
    told = f"Mean per-class accuracy, mean ± standard deviation over {folds} folds."
    return "\n".join([*lines, "", told, *(f"- {line}" for line in _tests(found, names))]) + "\n"


def as_csv(found: dict[str, Any], names: Sequence[str], levels: Sequence[int]) -> str:
    """For a script: a row for each arm and level, numbers at full precision; `sd` is empty for a single fold."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["arm", "level", "classes", "folds", "mean_accuracy", "sd"])
    for name in names:
        for level in levels:
            of = found[name]["levels"].get(str(level))
            if of is not None:
                values = [of["mean"], of["sd"]]
                cells = ["" if value is None else value for value in values]
                writer.writerow([name, level, of["classes"], len(of["folds"]), *cells])
    return text.getvalue()


def _tests(found: dict[str, Any], names: Sequence[str]) -> list[str]:
    lines = []
    for name in names:
        for test, of in found[name]["tests"].items():
            if of["mean"] is not None:
                sd = f" ± {of['sd']:.3f}" if of["sd"] is not None else ""
                lines.append(
                    f"{test} ({name}): AUC {of['mean']:.3f}{sd} over folds, {of['pooled_auc']:.3f} pooled, "
                    f"{of['positives']} against {of['negatives']} images"
                )
    return lines


def _cell(found: dict[str, Any], arm: str, level: int) -> str:
    of = found.get(arm, {"levels": {}})["levels"].get(str(level))
    if of is None or of["mean"] is None:
        return "-"
    return f"{100 * of['mean']:.1f} ± {100 * of['sd']:.1f} %" if of["sd"] is not None else f"{100 * of['mean']:.1f} %"
