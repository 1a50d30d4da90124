"""The same seed draws the same rows on SQLite and on PostgreSQL: cases, readings and items of every design."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from readerstudy.accounts.models import User
from tests import builders, postgres
from tests.e2e.site import ROOT
from tests.readings.drawn import DESIGNS, READERS, rows


def test_the_same_seed_gives_the_same_rows_on_the_other_database(
    administrator: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the database of this test run, full of other ids, and on a new one of the other kind in its own process."""
    url = f"sqlite:///{tmp_path / 'other.sqlite3'}"
    if connection.vendor == "sqlite":
        if postgres.binaries() is None:
            if os.environ.get("CI") == "true":
                pytest.fail("PostgreSQL's server is missing")
            pytest.skip("PostgreSQL's server is missing (Debian: apt-get install postgresql)")
        url = postgres.start()
    environment = {**os.environ, "READERSTUDY_VAR": str(tmp_path / "var"), "READERSTUDY_DATABASE_URL": url}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.readings.drawn"], cwd=ROOT, env=environment, stdout=subprocess.PIPE
    ) as other:
        monkeypatch.setattr(builders, "_serial", builders._serial)  # `rows` begins its numbers anew
        here = rows(administrator)
        there = json.load(other.stdout or sys.stdin)
    assert other.returncode == 0
    assert here == there
    # The rows are there to be compared: every design, every reader, second parts and batches.
    items = here["items"]
    assert {row[0] for row in items} == {row[0] for row in here["cases"]} == set(range(1, len(DESIGNS) + 1))
    assert len({row[1] for row in items}) == READERS
    assert {(row[0], row[2]) for row in items if row[2] > 1} == {(4, 2), (6, 2)}
    assert any(row[8] for row in items)
    assert any(row[9] for row in items)
