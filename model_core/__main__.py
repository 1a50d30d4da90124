"""python -m model_core COMMAND: taxonomy, training and inference without the web application."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Sequence

from model_core import __version__
from model_core.checkpoint import CheckpointError
from model_core.manifest import DataError
from model_core.taxonomy import TaxonomyError

# A command is a module with add_arguments(parser) and run(args) -> exit status; it is imported when it is asked for,
# so that the commands that do without torch start without it.
COMMANDS = {
    "benchmark": ("model_core.benchmark.command", "compare the speed of training and prediction with plain baselines"),
    "crossvalidate": ("model_core.crossvalidate", "accuracies over folds, with the partition and without it"),
    "embed": ("model_core.embed", "write the 2,048 features of each picture, and their t-SNE"),
    "evaluate": ("model_core.evaluate", "test a checkpoint on a manifest"),
    "export": ("model_core.export", "write a checkpoint as ONNX, checked against it"),
    "fit-head": ("model_core.fit", "fit the last layer of an Inception v3 on labelled pictures"),
    "labels": ("model_core.labels.command", "read the publishers' label files into one manifest"),
    "partition": ("model_core.partition", "turn a taxonomy and image counts into training classes"),
    "predict": ("model_core.predict.command", "write the probabilities of a folder, a ZIP or a manifest of pictures"),
    "saliency": ("model_core.saliency_pictures", "show which pixels a prediction hangs on"),
    "split": ("model_core.split.command", "split a manifest so that one lesion, patient or picture stays on one side"),
    "taxonomy": ("model_core.convert", "check a taxonomy, print its levels, convert other people's"),
    "train": ("model_core.train.command", "fine-tune all layers of Inception v3, or those above a block"),
}
SHARED = ("crossvalidate", "predict", "train")  # what several processes of `torchrun` do together


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 2 with one sentence on the standard error where its input is wrong."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="python -m model_core", description=__doc__)
    parser.add_argument("--version", action="version", version=f"model_core {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        if name in argv:
            importlib.import_module(module).add_arguments(command)
    args = parser.parse_args(argv)
    # Pillow warns of large photographs, and refuses what is twice as large: that is named as an error
    warnings.filterwarnings("ignore", "Image size .* exceeds limit")
    try:
        if args.command not in SHARED and int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise DataError(f"This runs as one process; torchrun is for {', '.join(SHARED)}.")
        return int(importlib.import_module(COMMANDS[args.command][0]).run(args))
    except (CheckpointError, DataError, TaxonomyError) as error:
        print(f"{parser.prog} {args.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.filename is None:
            raise
        print(f"{parser.prog} {args.command}: {error.filename}: {error.strerror}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted; nothing was written under the output's name.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
