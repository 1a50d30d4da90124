"""Where a reader may practise: ISO 3166-1 codes, with the English names of the tz database (public domain).

A page's script shows the names in the page's own language (`static/js/countries.js`); what is stored is the code.
"""

import csv
from functools import cache
from pathlib import Path

FILE = Path(__file__).resolve().parent / "data" / "countries.csv"


@cache
def countries() -> tuple[tuple[str, str], ...]:
    """(code, name), by name."""
    with FILE.open(encoding="utf-8", newline="") as rows:
        return tuple(sorted(((row["code"], row["name"]) for row in csv.DictReader(rows)), key=lambda one: one[1]))
