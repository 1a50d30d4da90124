"""Who may import whom (design, section 3). Cheap only while the count of breaches is zero."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("accounts", "images", "studies", "readers", "readings", "scoring", "advice", "results", "demo")
ROOF = {"readerstudy.settings", "readerstudy.urls", "readerstudy.celery", "readerstudy.wsgi"}

# Room -> what of ours it may import, itself aside. `model_core.checkpoint` reads a checkpoint's metadata without torch.
ALLOWED: dict[str, set[str]] = {
    "accounts": set(),
    "images": {"accounts", "model_core.taxonomy"},
    "studies": {"accounts", "images", "model_core.taxonomy"},
    "readers": {"accounts", "studies"},
    "readings": {"accounts", "images", "studies", "readers"},
    "scoring": {"accounts", "images", "model_core.taxonomy", "model_core.checkpoint"},
    # What the reader is told: the one door between what the model says and who reads.
    # `model_core.split.keypoints` is numpy and scipy: it knows a copy of a picture again.
    "advice": {
        "accounts", "images", "studies", "readers", "readings", "scoring", "model_core.taxonomy",
        "model_core.split.keypoints",
    },
    # `model_core.tsne` is numpy and scikit-learn.
    "results": {
        "accounts", "images", "studies", "readers", "readings", "scoring", "advice", "model_core.taxonomy",
        "model_core.tsne",
    },
    # The demonstration stands beside the roof: it uses every room and no room knows it.
    "demo": {
        "accounts", "images", "studies", "readers", "readings", "scoring", "advice", "results",
        "model_core.taxonomy", "model_core.taxonomy_csv",
    },
}  # fmt: skip
# The one door to torch.
TORCH_DOOR = ROOT / "readerstudy/scoring/tasks.py"
TORCH_FREE = ("taxonomy", "taxonomy_csv", "partition", "split", "checkpoint", "tsne")


def imports(path: Path) -> list[tuple[int, str]]:
    """(line, dotted name) of every import in a file, those within functions too; relative ones are refused."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def python_files(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts)


def within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_below_it(room: str) -> None:
    files = python_files(f"readerstudy/{room}")
    assert len(files) >= 2, f"the room {room} is empty"
    allowed = {name if name.startswith("model_core") else f"readerstudy.{name}" for name in ALLOWED[room]}
    allowed.add(f"readerstudy.{room}")
    breaches = []
    for path in files:
        for line, name in imports(path):
            if not within(name, "readerstudy") and not within(name, "model_core"):
                continue
            door = path == TORCH_DOOR and within(name, "model_core")
            if not door and not any(within(name, module) for module in allowed):
                breaches.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not breaches, "\n".join(breaches)


def test_every_room_is_in_the_map() -> None:
    found = {path.parent.name for path in (ROOT / "readerstudy").glob("*/__init__.py")}
    assert found == set(ROOMS) == set(ALLOWED)


def test_nothing_imports_the_roof() -> None:
    checked, breaches = 0, []
    for path in python_files("readerstudy"):
        checked += 1
        if path.parent == ROOT / "readerstudy":
            continue
        breaches += [f"{path}:{line} imports {n}" for line, n in imports(path) if any(within(n, m) for m in ROOF)]
    assert checked > 60
    assert not breaches, "\n".join(breaches)


def test_model_core_knows_neither_django_nor_the_web() -> None:
    files = python_files("model_core")
    assert len(files) >= 10
    breaches = [
        f"{path}:{line} imports {name}"
        for path in files
        for line, name in imports(path)
        if any(within(name, module) for module in ("django", "readerstudy", "celery", "rest_framework"))
    ]
    assert not breaches, "\n".join(breaches)


def test_statistics_know_no_django() -> None:
    files = python_files("readerstudy/results/stats")
    assert len(files) >= 3
    breaches = [f"{path}:{line} imports {n}" for path in files for line, n in imports(path) if within(n, "django")]
    assert not breaches, "\n".join(breaches)


def test_readings_never_touch_the_reference_standard() -> None:
    files = python_files("readerstudy/readings")
    assert len(files) >= 5
    breaches = [
        f"{path}:{number}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if ("Reference" in line.split("#")[0].replace("Reference-", "").replace("Referrer", "") and "import" in line)
        or "reference__" in line
        or ".reference" in line
    ]
    assert not breaches, "\n".join(breaches)


def _loaded_by(code: str) -> set[str]:
    """Names of the top-level packages in sys.modules after `code` ran in a fresh interpreter."""
    program = f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(result.stdout.splitlines()[-1].split())


def test_the_web_process_never_loads_torch() -> None:
    loaded = _loaded_by(
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'readerstudy.settings'\n"
        "import readerstudy.wsgi, readerstudy.urls\n"
        "from django.urls import get_resolver\n"
        "get_resolver().url_patterns"
    )
    assert "django" in loaded
    assert not loaded & {"torch", "torchvision"}


@pytest.mark.parametrize("module", TORCH_FREE)
def test_the_numpy_half_of_model_core_loads_no_torch(module: str) -> None:
    loaded = _loaded_by(f"import model_core.{module}")
    assert "model_core" in loaded
    assert not loaded & {"torch", "torchvision", "django"}


def test_every_import_is_declared() -> None:
    """No import of a package that pyproject.toml does not declare (by its import name)."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [
        *project["dependencies"],
        *(r for extra in project["optional-dependencies"].values() for r in extra),
    ]
    declared = {
        "".join(c if c.isalnum() or c in "-_" else " " for c in requirement).split()[0].lower()
        for requirement in requirements
    }
    import_name = {
        "django-allauth": "allauth", "django-csp": "csp", "django-environ": "environ", "django-htmx": "django_htmx",
        "djangorestframework": "rest_framework", "pillow": "PIL", "scikit-learn": "sklearn", "faiss-cpu": "faiss",
        "pytest-django": "pytest_django", "django-storages": "storages", "opentsne": "openTSNE",
        "axe-playwright-python": "axe_playwright_python",
    }  # fmt: skip
    known = {import_name.get(name, name) for name in declared} | {
        "django",
        "redis",
        "kombu",
    }  # the last two: celery[redis]
    ours = {"readerstudy", "model_core", "tests"}
    files = [*python_files("readerstudy"), *python_files("model_core"), *python_files("tests"), ROOT / "manage.py"]
    assert len(files) > 80
    missing = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in files
        for line, name in imports(path)
        if (top := name.partition(".")[0]) not in sys.stdlib_module_names and top not in known | ours
    ]
    assert not missing, "\n".join(missing)
