"""What is known of the cases and of the readers beside their answers: what subgroups are made of."""

from collections.abc import Mapping

from readerstudy.readers.models import Profile
from readerstudy.results.arrays import Attributes, CaseTable
from readerstudy.studies.models import CaseImage, Test

AGE_BANDS = ((30, "under 30"), (45, "30-44"), (60, "45-59"), (75, "60-74"), (121, "75 and over"))
PRACTICE_BANDS = ((5, "under 5 years"), (10, "5-9 years"), (20, "10-19 years"), (81, "20 years and over"))
SKIN_TYPES = ("I", "II", "III", "IV", "V", "VI")


def attributes(test: Test, cases: CaseTable, readers: Mapping[int, str]) -> Attributes:
    """The attributes of a test; ``readers``: id -> code, in the order of the test's readers."""
    rows = CaseImage.objects.filter(case__test=test, case__kind="scored").order_by("case__number", "-position")
    first = {
        row[0]: row[1:]
        for row in rows.values_list("case_id", "image__sex", "image__age", "image__site", "image__skin_type")
    }
    of_cases = [first[case] for case in cases.ids.tolist()]
    newest = {
        row[0]: row[1:]
        for row in Profile.objects.filter(reader__in=list(readers))
        .order_by("pk")
        .values_list(
            "reader_id", "years_of_practice", "board_certified", "specialty", "dermoscopy_training", "country", "device"
        )
    }
    of_readers = [newest.get(reader) for reader in readers]
    return Attributes(
        sexes=tuple(sex or None for sex, _age, _site, _skin in of_cases),
        ages=tuple(_band(age, AGE_BANDS) for _sex, age, _site, _skin in of_cases),
        sites=tuple(site or None for _sex, _age, site, _skin in of_cases),
        skin_types=tuple(SKIN_TYPES[skin - 1] if skin else None for _sex, _age, _site, skin in of_cases),
        practice=tuple(_band(row[0], PRACTICE_BANDS) if row else None for row in of_readers),
        certification=tuple(("board-certified" if row[1] else "not certified") if row else None for row in of_readers),
        specialties=tuple(row[2] if row else None for row in of_readers),
        training=tuple((row[3] or None) if row else None for row in of_readers),
        countries=tuple((row[4] or None) if row else None for row in of_readers),
        devices=tuple((row[5] or None) if row else None for row in of_readers),
    )


def _band(years: int | None, bands: tuple[tuple[int, str], ...]) -> str | None:
    return None if years is None else next(name for below, name in bands if years < below)
