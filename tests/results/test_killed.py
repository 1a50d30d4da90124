"""A worker that is killed while it stores a file leaves nothing that counts: another makes the file, whole, once."""

import os
import signal
import subprocess
import sys
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from readerstudy.results import computing, tasks
from readerstudy.results.computing import StillComputing, export_of
from readerstudy.results.models import Computation
from tests.broker import database_url
from tests.results import made
from tests.results.conftest import Worked

# A worker's process that has no figures to draw, and is killed once half of its file is on the disk.
WORKER = """
import os, signal, sys
import django
django.setup()
from django.core.files.storage import FileSystemStorage
from readerstudy.results import export, tasks

def half(storage, name, content):
    path = storage.path(name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content.read(content.size // 2))
    os.kill(os.getpid(), signal.SIGKILL)

export.figure_files = lambda results, numbers, seen, step=None: ([], [])
FileSystemStorage._save = half
tasks.compute(int(sys.argv[1]))
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("no_figures")
def test_a_worker_killed_while_it_stores_is_replaced(worked: Worked, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[int] = []
    monkeypatch.setattr(tasks.compute, "delay", rung.append)
    made.unblind(worked.study)
    before = _files()
    with pytest.raises(StillComputing) as still:
        export_of(worked.study, worked.model)
    row = still.value.computation
    killed = subprocess.run(
        [sys.executable, "-c", WORKER, str(row.pk)],
        env=_environment(), cwd=settings.BASE_DIR, capture_output=True, timeout=240,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    row.refresh_from_db()
    assert (row.state, row.total, row.result) == ("running", 100, None)
    (half,) = _files() - before
    assert computing.file_in(row) is None  # nobody is given it
    assert computing.sweep() == 0  # its lease still runs
    Computation.objects.filter(pk=row.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert computing.sweep() == 1
    assert rung == [row.pk, row.pk]
    for _message in range(2):  # the second finds nothing to do
        tasks.compute(row.pk)
    row.refresh_from_db()
    assert (row.state, row.attempts, row.done, row.total) == ("done", 2, 100, 100)
    assert _files() == before | {half}  # in the place of the half one, and no other
    found = export_of(worked.study, worked.model)
    with default_storage.open(found.path) as file, zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert "manifest.json" in archive.namelist()


def _files() -> set[str]:
    return set(default_storage.listdir("results/files")[1]) if default_storage.exists("results/files") else set()


def _environment() -> dict[str, Any]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("READERSTUDY_")}
    return inherited | {
        "READERSTUDY_VAR": str(settings.VAR), "READERSTUDY_DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "readerstudy.settings",
    }  # fmt: skip
