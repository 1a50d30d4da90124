"""`python -m model_core benchmark WHAT`."""

from __future__ import annotations

import argparse
import importlib
import importlib.util

# A benchmark is a module with SUMMARY, add_arguments(parser) and run(args) -> exit status.
BENCHMARKS = {
    "copies": "model_core.benchmark.copies",
    "predict": "model_core.benchmark.predict",
    "train": "model_core.benchmark.train_step",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Measure speed as a ratio against a plain baseline, both in turns in one run; or what the similarity graph "
        "finds."
    )
    choices = parser.add_subparsers(dest="benchmark", required=True, metavar="WHAT")
    for name, module in BENCHMARKS.items():
        if importlib.util.find_spec(module) is not None:
            found = importlib.import_module(module)
            found.add_arguments(choices.add_parser(name, help=found.SUMMARY))


def run(args: argparse.Namespace) -> int:
    return int(importlib.import_module(BENCHMARKS[args.benchmark]).run(args))
