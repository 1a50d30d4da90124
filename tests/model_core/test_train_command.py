"""The options are the configuration's fields, explained by their comments."""

from __future__ import annotations

import argparse
import dataclasses

import pytest

from model_core.__main__ import main
from model_core.train.command import add_arguments, config_from, field_comments, rule_from
from model_core.train.config import TrainingConfig

NEEDED = ["--manifest", "m.csv", "--images", "i", "--out", "o"]


def parsed(*more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args([*NEEDED, *more])


def test_every_field_has_a_comment_and_an_option() -> None:
    names = {field.name for field in dataclasses.fields(TrainingConfig)}
    assert len(names) > 30
    assert set(field_comments()) == names
    assert names <= set(vars(parsed()))


def test_paper_recipe_is_the_default() -> None:
    config = config_from(parsed())
    assert config == TrainingConfig()
    assert (config.optimizer, config.learning_rate, config.step_factor, config.step_epochs) == (
        "rmsprop",
        0.001,
        16,
        30,
    )
    assert (config.decay, config.momentum, config.epsilon, config.size) == (0.9, 0.9, 0.1, 299)
    assert (config.auxiliary_weight, config.augment, config.train_from) == (0.4, True, None)


def test_modern_recipe_and_changes_to_it() -> None:
    config = config_from(parsed("--recipe", "modern", "--epochs", "3", "--no-augment", "--balance", "loss"))
    assert config == TrainingConfig.modern(epochs=3, augment=False, balance="loss")
    assert (config.optimizer, config.schedule, config.precision) == ("adamw", "cosine", "bfloat16")
    assert config.ema_decay > 0
    assert config.label_smoothing > 0


def test_classes_are_chosen_by_one_rule() -> None:
    assert rule_from(parsed("--max-class-size", "100")).max_class_size == 100
    assert rule_from(parsed("--classes", "melanoma, melanocytic-naevus")).nodes == ("melanoma", "melanocytic-naevus")


def test_help_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "--help"])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "torchrun" in said
    assert "divide by `step_factor` every `step_epochs`" in said
    assert "(0.001; modern: 0.0003)" in said
