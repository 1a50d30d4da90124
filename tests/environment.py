"""Loaded before the settings (pytest's `-p`): gives each test session a folder and a database of its own.

READERSTUDY_TEST_DATABASE=postgresql runs the same tests on a private PostgreSQL server on a Unix socket.

Each process computes on one core: the tests run side by side, and threads of two processes that wait for one another on
the same cores take many times as long.
"""

import atexit
import os
import shutil
import tempfile

from tests import postgres

if "PYTEST_XDIST_WORKER" not in os.environ:  # workers inherit what the controller made
    for name in [name for name in os.environ if name.startswith("READERSTUDY_") and "TEST" not in name]:
        del os.environ[name]
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch, OpenMP; read when they are first imported
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _folder = tempfile.mkdtemp(prefix="readerstudy-tests-")
    atexit.register(shutil.rmtree, _folder, ignore_errors=True)
    os.environ["READERSTUDY_VAR"] = _folder
    _database = os.environ.get("READERSTUDY_TEST_DATABASE", "sqlite")
    if _database == "postgresql":
        os.environ["READERSTUDY_DATABASE_URL"] = postgres.start()
    elif _database != "sqlite":
        raise SystemExit(f"READERSTUDY_TEST_DATABASE is {_database!r}; allowed: sqlite, postgresql")
