"""The manifest: what is read, what is forgiven, and what each wrong cell is told."""

import io

import pytest
from django.conf import LazySettings
from hypothesis import given
from hypothesis import strategies as st

from model_core.taxonomy import Taxonomy
from readerstudy.images.errors import KEPT, Problem, Problems
from readerstudy.images.manifest import Manifest, ManifestRow, read_manifest
from readerstudy.images.models import Confirmation, Modality
from tests.images.material import manifest_of, rows_for

TAXONOMY = Taxonomy.default()


def read(content: bytes) -> tuple[Manifest, list[Problem]]:
    problems = Problems()
    manifest = read_manifest(io.BytesIO(content), name="truth.csv", taxonomy=TAXONOMY, problems=problems)
    return manifest, list(problems)


def read_row(**values: str) -> ManifestRow:
    manifest, problems = read(manifest_of(rows_for(["a.jpg"], **values)))
    assert problems == []
    (row,) = manifest.rows
    return row


def problem_with(**values: str) -> Problem:
    _manifest, problems = read(manifest_of(rows_for(["a.jpg"], **values)))
    (problem,) = problems
    (column,) = values
    assert (problem.file, problem.row, problem.column, problem.value) == ("truth.csv", 2, column, values[column])
    return problem


def test_a_whole_row() -> None:
    row = read_row(lesion_id="L1", patient_id="P1", age="45", sex="female", site="trunk", skin_type="II")
    assert row == ManifestRow(
        row=2, file="a.jpg", diagnosis="melanoma", confirmation=Confirmation.HISTOPATHOLOGY,
        modality=Modality.DERMOSCOPY, lesion_id="L1", patient_id="P1", age=45, sex="female", site="trunk", skin_type=2,
    )  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_separators_and_byte_order_mark(delimiter: str, mark: bytes) -> None:
    manifest, problems = read(mark + manifest_of(rows_for(["a.jpg"], site="arm"), delimiter=delimiter))
    assert problems == []
    assert [(row.file, row.site) for row in manifest.rows] == [("a.jpg", "arm")]


def test_a_decimal_comma_where_semicolons_separate() -> None:
    manifest, problems = read(manifest_of(rows_for(["a.jpg"], age="45,0"), delimiter=";"))
    assert problems == []
    assert manifest.rows[0].age == 45


@pytest.mark.parametrize(
    "header",
    [
        b"FILE,Diagnosis, confirmation ,MODALITY,Lesion ID,patientId,Age,Gender,SITE,Skin-Type",
        b'"file","diagnosis","confirmation","modality","lesion_id","patient_id","age","sex","site","skin type"',
    ],
)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_headers_in_any_case_with_spaces(header: bytes, line_end: bytes) -> None:
    manifest, problems = read(header + line_end + b"a.jpg,melanoma,histopathology,clinical,L,P,4,m,arm,VI" + line_end)
    assert problems == []
    assert manifest.unknown_columns == []
    row = manifest.rows[0]
    assert (row.lesion_id, row.patient_id, row.age, row.sex, row.skin_type) == ("L", "P", 4, "male", 6)


def test_columns_in_another_order_and_unknown_ones() -> None:
    manifest, problems = read(b"colour,modality,file,,diagnosis,confirmation\nred,clinical,a.jpg,,melanoma,histo\n")
    assert problems == []
    assert manifest.unknown_columns == ["colour"]
    assert manifest.rows[0].modality == "clinical"


@pytest.mark.parametrize("text", ["", "unknown", "UNK", "NaN", "NA", "n/a", "None", "Not stated", "-", "?"])
@pytest.mark.parametrize(
    ("column", "expected"),
    [("age", None), ("sex", ""), ("site", ""), ("skin_type", None), ("lesion_id", ""), ("patient_id", "")],
)
def test_not_stated(text: str, column: str, expected: object) -> None:
    assert getattr(read_row(**{column: text}), column) == expected


def test_a_confirmation_that_is_not_stated_is_unknown() -> None:
    assert read_row(confirmation="").confirmation == Confirmation.UNKNOWN
    assert read_row(confirmation="unknown").confirmation == Confirmation.UNKNOWN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Histopathology", "histopathology"), ("histo", "histopathology"), ("follow_up", "follow-up"),
        ("Follow up", "follow-up"), ("consensus", "consensus"), ("confocal", "confocal"), ("clinical", "clinical"),
        ("single image expert consensus", "consensus"), ("serial imaging showing no change", "follow-up"),
    ],
)  # fmt: skip
def test_confirmations_as_public_sets_write_them(text: str, expected: str) -> None:
    assert read_row(confirmation=text).confirmation == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dermoscopy", "dermoscopy"), ("dermoscopic", "dermoscopy"), ("clinical", "clinical"), ("Close-up", "clinical"),
        ("overview", "overview"), ("Overview photograph", "overview"),
        # The ISIC Archive's `image_type`.
        ("clinical: close-up", "clinical"), ("clinical: overview", "overview"),
    ],
)  # fmt: skip
def test_modalities(text: str, expected: str) -> None:
    assert read_row(modality=text).modality == expected


@pytest.mark.parametrize(("text", "expected"), [("45", 45), ("45.0", 45), ("0", 0), ("120", 120), ("7.", 7)])
def test_ages(text: str, expected: int) -> None:
    assert read_row(age=text).age == expected


@pytest.mark.parametrize("text", ["-1", "121", "45.5", "forty", "1e2", "inf", "True", "999", "٤٥"])
def test_ages_that_are_none(text: str) -> None:
    assert "0 to 120" in problem_with(age=text).message


@pytest.mark.parametrize(("text", "expected"), [("f", "female"), ("F", "female"), ("MALE", "male"), ("m", "male")])
def test_sexes(text: str, expected: str) -> None:
    assert read_row(sex=text).sex == expected


def test_a_sex_that_is_none_names_what_is_allowed() -> None:
    assert "female, male" in problem_with(sex="1.0").message


@pytest.mark.parametrize(("text", "expected"), [("I", 1), ("ii", 2), ("VI", 6), ("3", 3), ("4.0", 4), ("Ⅲ", 3)])
def test_skin_types(text: str, expected: int) -> None:
    assert read_row(skin_type=text).skin_type == expected


@pytest.mark.parametrize("text", ["0", "7", "VII", "II-III", "dark", "True"])
def test_skin_types_that_are_none(text: str) -> None:
    assert "I to VI or 1 to 6" in problem_with(skin_type=text).message


@pytest.mark.parametrize("text", ["TRUE", "True", "1.0", "no"])
def test_a_boolean_confirmation_is_not_guessed(text: str) -> None:
    message = problem_with(confirmation=text).message
    assert all(value in message for value in Confirmation.values)
    assert "biopsy" in message


def test_a_misspelt_confirmation_is_told_what_is_near() -> None:
    assert "Is “histopathology” meant?" in problem_with(confirmation="histopatology").message


def test_a_modality_must_be_stated() -> None:
    message = problem_with(modality="unknown").message
    assert "overview, clinical, dermoscopy" in message


def test_a_diagnosis_by_id_or_by_name() -> None:
    node = next(node for node in TAXONOMY.nodes if TAXONOMY.name(node) != node)
    assert read_row(diagnosis=node).diagnosis == node
    assert read_row(diagnosis=TAXONOMY.name(node).upper()).diagnosis == node


def test_an_unknown_diagnosis_is_told_what_is_near() -> None:
    message = problem_with(diagnosis="melanomma").message
    assert "melanomma" in message
    assert "'melanoma'" in message


@pytest.mark.parametrize("text", ["", "unknown", "NaN"])
def test_a_diagnosis_must_be_stated(text: str) -> None:
    assert "The diagnosis is missing" in problem_with(diagnosis=text).message


@pytest.mark.parametrize("column", ["file", "diagnosis", "confirmation", "modality"])
def test_a_missing_column(column: str) -> None:
    header = [name for name in ("file", "diagnosis", "confirmation", "modality") if name != column]
    manifest, problems = read(manifest_of(rows_for(["a.jpg"]), header=header))
    (problem,) = problems
    assert (problem.file, problem.row, problem.column) == ("truth.csv", 1, column)
    assert f"“{column}” is missing" in problem.message
    assert ", ".join(header) in problem.message  # what is there
    assert manifest.is_complete == (column != "file")


def test_a_missing_column_that_is_only_misspelt() -> None:
    _manifest, problems = read(b"file,diagnose,confirmation,modality\na.jpg,melanoma,histo,clinical\n")
    assert "Is “diagnose” meant?" in problems[0].message


def test_the_same_column_twice() -> None:
    _manifest, problems = read(b"file,diagnosis,confirmation,modality,sex,gender\na.jpg,melanoma,histo,clinical,f,m\n")
    (problem,) = problems
    assert (problem.row, problem.column, problem.value) == (1, "sex", "gender")


def test_the_same_file_twice_names_both_rows() -> None:
    _manifest, problems = read(manifest_of(rows_for(["a.jpg", "b.jpg", "./a.jpg"])))
    (problem,) = problems
    assert (problem.row, problem.column, problem.value) == (4, "file", "./a.jpg")
    assert "Row 2 names the same file" in problem.message


def test_every_problem_is_reported() -> None:
    rows = [
        *rows_for(["a.jpg"], diagnosis="no such thing", confirmation="maybe", modality="x-ray", age="200"),
        *rows_for([""]),
        *rows_for(["c.jpg"], sex="x", skin_type="9"),
    ]
    _manifest, problems = read(manifest_of(rows))
    assert [(problem.row, problem.column) for problem in problems] == [
        (2, "diagnosis"), (2, "confirmation"), (2, "modality"), (2, "age"), (3, "file"), (4, "sex"), (4, "skin_type"),
    ]  # fmt: skip


def test_rows_are_numbered_as_a_spreadsheet_shows_them() -> None:
    """A cell with a line break and an empty row count as one row each, whatever the number of lines."""
    content = (
        b"file,diagnosis,confirmation,modality,site\n"
        b'a.jpg,melanoma,histo,clinical,"upper\nback"\n'  # row 2, lines 2 and 3
        b"\n"  # row 3
        b",,,,\n"  # row 4
        b"b.jpg,nonsense,histo,clinical,\n"  # row 5
    )
    manifest, problems = read(content)
    assert [(problem.row, problem.column) for problem in problems] == [(2, "site"), (5, "diagnosis")]
    assert manifest.n_rows == 2


def test_not_utf8_names_the_row() -> None:
    content = manifest_of(rows_for(["a.jpg"])) + "müller.jpg,melanoma,histo,clinical\r\n".encode("latin-1")
    manifest, problems = read(content)
    (problem,) = problems
    assert problem.row == 3
    assert "0xfc is not UTF-8" in problem.message
    assert "CSV UTF-8" in problem.message
    assert not manifest.is_complete


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("file,diagnosis".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04 an .xlsx", "spreadsheet"),
        (b"\xd0\xcf\x11\xe0 an .xls", "spreadsheet"),
    ],
)
def test_what_is_no_csv_at_all(content: bytes, words: str) -> None:
    _manifest, problems = read(content)
    (problem,) = problems
    assert words in problem.message
    assert "CSV UTF-8" in problem.message


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf"])
def test_an_empty_manifest(content: bytes) -> None:
    manifest, problems = read(content)
    assert problems
    assert manifest.rows == []


def test_a_header_alone() -> None:
    _manifest, problems = read(b"file,diagnosis,confirmation,modality\n")
    assert ["The manifest has no rows" in problem.message for problem in problems] == [True]


def test_an_open_quote_names_the_row_where_it_begins() -> None:
    _manifest, problems = read(b'file,diagnosis,confirmation,modality\na.jpg,melanoma,histo,clinical\n"b.jpg,melanoma')
    (problem,) = problems
    assert problem.row == 3
    assert "not CSV" in problem.message


def test_a_separator_that_is_not_quoted() -> None:
    _manifest, problems = read(b"file,diagnosis,confirmation,modality,site\na.jpg,melanoma,histo,clinical,arm, left\n")
    (problem,) = problems
    assert (problem.row, problem.value) == (2, "left")
    assert "must be in quotes" in problem.message


@pytest.mark.parametrize(("column", "longest"), [("lesion_id", 100), ("patient_id", 100), ("site", 80)])
def test_too_long(column: str, longest: int) -> None:
    assert getattr(read_row(**{column: "x" * longest}), column) == "x" * longest
    assert str(longest) in problem_with(**{column: "x" * (longest + 1)}).message


def test_a_nul_in_a_cell() -> None:
    """PostgreSQL stores no NUL."""
    assert "control character" in problem_with(site="a\0b").message


def test_more_rows_than_an_upload_may_have(settings: LazySettings) -> None:
    settings.UPLOAD_MAX_IMAGES = 2
    manifest, problems = read(manifest_of(rows_for(["a.jpg", "b.jpg", "c.jpg", "d.jpg"])))
    (problem,) = problems
    assert problem.row == 4
    assert "2 rows" in problem.message
    assert not manifest.is_complete


def test_only_the_first_problems_are_kept_and_all_are_counted() -> None:
    problems = Problems()
    content = manifest_of(rows_for([f"{n}.jpg" for n in range(KEPT + 5)], age="old"))
    read_manifest(io.BytesIO(content), name="truth.csv", taxonomy=TAXONOMY, problems=problems)
    assert problems.total == KEPT + 5
    assert len(list(problems)) == KEPT


@given(st.binary(max_size=300) | st.text(alphabet='file,diagnos;\t\n\r"\0=é', max_size=200).map(str.encode))
def test_nothing_makes_it_fall_over(content: bytes) -> None:
    read(content)
    read(b"file,diagnosis,confirmation,modality\n" + content)
