"""What the web process may import costs it no torch; nothing here knows Django."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LIGHT = (
    "model_core", "model_core.__main__", "model_core.benchmark.command", "model_core.benchmark.copies",
    "model_core.benchmark.train_step",
    "model_core.checkpoint", "model_core.convert", "model_core.crossvalidate", "model_core.dataset", "model_core.embed",
    "model_core.evaluate", "model_core.export", "model_core.fit", "model_core.parts", "model_core.predict",
    "model_core.saliency_pictures", "model_core.taxonomy",
    "model_core.train.command", "model_core.transforms", "model_core.tsne",
)  # fmt: skip


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    return set(
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    )


def test_light_modules_import_no_torch(model_file: Path) -> None:
    reading = f"from model_core.checkpoint import read_metadata; read_metadata({str(model_file)!r})"
    default = "from model_core.taxonomy import Taxonomy; Taxonomy.default()"
    found = loaded_after("\n".join([*(f"import {name}" for name in LIGHT), reading, default]))
    assert "numpy" in found
    assert found & {"torch", "torchvision", "django", "readerstudy"} == set()


def test_taxonomy_needs_numpy_alone() -> None:
    assert loaded_after("import model_core.taxonomy") & {"torch", "PIL", "sklearn", "scipy", "safetensors"} == set()


def test_torch_modules_import_no_django() -> None:
    found = loaded_after("import model_core.batchnorm, model_core.inference, model_core.network")
    assert "torch" in found
    assert found & {"django", "readerstudy"} == set()
