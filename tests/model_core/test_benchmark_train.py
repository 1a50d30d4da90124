"""The arithmetic of the benchmark, and that both sides take real steps."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from model_core.benchmark import train_step
from model_core.benchmark.train_step import draw_pictures, interleaved, own_steps, reference_steps, summarised
from model_core.train import loop


def test_ratio_of_medians_by_hand() -> None:
    """Medians 4 s and 1 s for a batch of 8: 2 and 8 images a second; one slow step of each changes nothing."""
    found = summarised({"plain": [4.0, 4.0, 40.0], "ours": [1.0, 1.0, 30.0]}, 8)
    assert found["images_per_second"] == {"plain": 2.0, "ours": 8.0}
    assert found["ratios"] == {"ours": 4.0}


def test_sides_take_turns_and_first_steps_are_not_timed() -> None:
    seen: list[str] = []

    def side(name: str) -> Iterator[None]:
        while True:
            seen.append(name)
            yield

    times = interleaved({"a": lambda: side("a"), "b": lambda: side("b")}, 2, 1, torch.device("cpu"))
    assert seen == ["a", "a", "b", "b"] * 2
    assert {name: len(values) for name, values in times.items()} == {"a": 2, "b": 2}


def test_both_sides_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_pictures(tmp_path, 2, 0)
    paths = sorted(tmp_path.glob("*.jpg"))
    assert len(paths) == 2
    args = argparse.Namespace(size=75, batch_size=2, steps=1, workers=0, seed=0)
    cpu = torch.device("cpu")
    losses = []
    real = loop.step_loss
    monkeypatch.setattr(loop, "step_loss", lambda *a: losses.append(1) or real(*a))
    ours = own_steps(paths, args, cpu, "paper")
    next(ours)
    next(ours)
    ours.close()  # type: ignore[attr-defined]
    assert len(losses) == 2
    taken = []
    monkeypatch.setattr(torch.optim.SGD, "step", lambda self: taken.append(1))
    plain = reference_steps(paths, args, cpu)
    next(plain)
    next(plain)
    assert len(taken) == 2


def test_summary_is_for_the_command_line() -> None:
    parser = argparse.ArgumentParser()
    train_step.add_arguments(parser)
    args = parser.parse_args(["--out", "x.json"])
    assert (args.batch_size, args.rounds) == (8, 5)
