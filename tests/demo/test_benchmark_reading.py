"""The benchmark of the reading page refuses what it cannot do before it starts anything."""

from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from readerstudy.demo.management.commands import benchmark_reading


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cases": 2}, "--cases from 3"),
        ({"width": 50}, "--width from 100 to 10000"),
        ({"pause": -1.0}, "--pause from 0 to 60"),
        ({"browser": "/there/is/none"}, "There is no /there/is/none"),
    ],
)
def test_what_cannot_be_measured_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("benchmark_reading", **options)


def test_without_playwright_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_reading.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(CommandError, match=r"pip install -e '\.\[test\]'"):
        call_command("benchmark_reading")
