"""What `python -m model_core` says where a command cannot be carried out: one sentence, and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_core.__main__ import main


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = tmp_path / "counts.csv"
    counts.write_text("node,n\nmelanoma,3\n")
    assert main(["partition", "--counts", str(counts), "--output", str(counts / "classes.json")]) == 2
    assert capsys.readouterr().err == f"python -m model_core partition: {counts}: File exists.\n"


def test_torchrun_is_for_what_processes_do_together(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that do the same would write over each other's files."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["taxonomy"]) == 2
    assert "runs as one process; torchrun is for crossvalidate, predict, train" in capsys.readouterr().err
