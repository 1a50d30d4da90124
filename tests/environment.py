"""Loaded before the settings (pytest's `-p`): gives each test session a folder and a database of its own.

READERSTUDY_TEST_DATABASE=postgresql runs the same tests on a private PostgreSQL server on a Unix socket.
"""

import atexit
import os
import shutil
import tempfile

from tests import postgres

if "PYTEST_XDIST_WORKER" not in os.environ:  # workers inherit what the controller made
    for name in [name for name in os.environ if name.startswith("READERSTUDY_") and "TEST" not in name]:
        del os.environ[name]
    _folder = tempfile.mkdtemp(prefix="readerstudy-tests-")
    atexit.register(shutil.rmtree, _folder, ignore_errors=True)
    os.environ["READERSTUDY_VAR"] = _folder
    _database = os.environ.get("READERSTUDY_TEST_DATABASE", "sqlite")
    if _database == "postgresql":
        os.environ["READERSTUDY_DATABASE_URL"] = postgres.start()
    elif _database != "sqlite":
        raise SystemExit(f"READERSTUDY_TEST_DATABASE is {_database!r}; allowed: sqlite, postgresql")
