"""Each kind of bad input, by the page's way and by the command's: the error names the culprit, nothing is stored."""

import io
import stat
import unicodedata
import warnings
import zipfile
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.files.base import File

from readerstudy.accounts.models import User
from readerstudy.images import tasks
from readerstudy.images import upload as uploads
from readerstudy.images.errors import ImagesError
from readerstudy.images.models import Image, ImageSet, Reference, Upload
from tests.images import material
from tests.images.material import manifest_of, patched, picture, png_header, rows_for, zip_of

NAMES = ["a.jpg", "b.jpg"]
PICTURES = {name: picture(number) for number, name in enumerate(NAMES)}
GOOD = manifest_of(rows_for(NAMES))


def with_member(name: str | zipfile.ZipInfo, content: bytes) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own, on a duplicate
        return zip_of([*PICTURES.items(), (name, content)])


def symlink() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link.jpg")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


# What is uploaded, then what the first problem must say: file, row, column, value (each only if given), words.
CASES: dict[str, tuple[bytes, bytes, dict[str, object], str]] = {
    "not a ZIP": (b"Rar!\x1a\x07 ...", GOOD, {"file": "pictures.zip", "row": None}, "not a ZIP"),
    "../": (with_member("../x.jpg", b"x"), GOOD, {"file": "pictures.zip", "value": "../x.jpg"}, "leads out"),
    "absolute": (with_member("/x.jpg", b"x"), GOOD, {"file": "pictures.zip", "value": "/x.jpg"}, "absolute"),
    "drive letter": (with_member("C:/x.jpg", b"x"), GOOD, {"value": "C:/x.jpg"}, "drive letter"),
    "backslash": (with_member("f\\x.jpg", b"x"), GOOD, {"value": "f\\x.jpg"}, "backslash"),
    "duplicate": (with_member("a.jpg", picture(9)), GOOD, {"value": "a.jpg"}, "2 files of this name"),
    "encrypted": (patched(zip_of(PICTURES), flag=1), GOOD, {"value": "a.jpg"}, "encrypted"),
    "symlink": (with_member(symlink(), b"/etc/passwd"), GOOD, {"value": "link.jpg"}, "symbolic link"),
    "bomb": (with_member("bomb.png", bytes(20 * 2**20)), GOOD, {"value": "bomb.png"}, "bomb"),
    "nested": (with_member("more.zip", zip_of(PICTURES)), GOOD, {"value": "more.zip"}, "ZIP within the ZIP"),
    "truncated JPEG": (
        zip_of({**PICTURES, "b.jpg": PICTURES["b.jpg"][:700]}), GOOD,
        {"file": "pictures.zip", "row": 3, "column": "file", "value": "b.jpg"}, "damaged or cut off",
    ),
    "PNG named .jpg": (
        zip_of({**PICTURES, "b.jpg": picture(2, "PNG")}), GOOD,
        {"file": "pictures.zip", "row": 3, "column": "file", "value": "b.jpg"}, "is a PNG by its content",
    ),
    "SVG": (
        zip_of({**PICTURES, "c.svg": b'<svg xmlns="http://www.w3.org/2000/svg"></svg>'}),
        manifest_of(rows_for([*NAMES, "c.svg"])), {"row": 4, "value": "c.svg"}, "SVG",
    ),
    "200 megapixels": (
        zip_of({**PICTURES, "c.png": png_header(20_000, 10_000)}), manifest_of(rows_for([*NAMES, "c.png"])),
        {"row": 4, "value": "c.png"}, "200 megapixels; allowed are 100",
    ),
    "empty file": (zip_of({**PICTURES, "b.jpg": b""}), GOOD, {"row": 3, "value": "b.jpg"}, "empty (0 bytes)"),
    "no column": (
        zip_of(PICTURES), manifest_of(rows_for(NAMES), header=["file", "diagnosis", "modality"]),
        {"file": "truth.csv", "row": 1, "column": "confirmation"}, "“confirmation” is missing",
    ),
    "unknown diagnosis": (
        zip_of(PICTURES), manifest_of([*rows_for(["a.jpg"]), *rows_for(["b.jpg"], diagnosis="melanomma")]),
        {"file": "truth.csv", "row": 3, "column": "diagnosis", "value": "melanomma"}, "'melanoma'",
    ),
    "a file that is not there": (
        zip_of(PICTURES), manifest_of(rows_for([*NAMES, "c.jpg"])),
        {"file": "truth.csv", "row": 4, "column": "file", "value": "c.jpg"}, "not in the ZIP",
    ),
    "a file in other capitals": (
        zip_of(PICTURES), manifest_of(rows_for(["a.jpg", "B.JPG"])),
        {"file": "truth.csv", "row": 3, "column": "file", "value": "B.JPG"}, "Is “b.jpg” meant?",
    ),
    "twice the same file": (
        zip_of(PICTURES), manifest_of(rows_for([*NAMES, "a.jpg"])),
        {"file": "truth.csv", "row": 4, "column": "file", "value": "a.jpg"}, "Row 2 names the same file",
    ),
    "not UTF-8": (
        zip_of(PICTURES), manifest_of(rows_for(NAMES, site="Gesäß")).decode().encode("latin-1"),
        {"file": "truth.csv", "row": 2}, "not UTF-8",
    ),
    "an image no row names": (
        zip_of({**PICTURES, "c.jpg": picture(7)}), GOOD,
        {"file": "pictures.zip", "row": None, "value": "c.jpg"}, "No row of truth.csv names this file",
    ),
    "the same picture twice": (
        zip_of({**PICTURES, "c.jpg": PICTURES["b.jpg"]}), manifest_of(rows_for([*NAMES, "c.jpg"])),
        {"row": 4, "value": "c.jpg"}, "the same picture, pixel for pixel, as “b.jpg” (row 3)",
    ),
}  # fmt: skip


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> tuple[bytes, bytes, dict[str, object], str]:
    return CASES[request.param]


def assert_nothing_is_stored(storage: Path) -> None:
    assert not ImageSet.objects.exists()
    assert not Image.objects.exists()
    assert not Reference.objects.exists()
    assert material.stored_files(storage) == []


def test_the_report_names_the_culprit(
    case: tuple[bytes, bytes, dict[str, object], str], administrator: User, storage: Path
) -> None:
    archive, manifest, expected, words = case
    upload = material.uploaded(administrator, archive, manifest)
    tasks.check_upload(upload.pk)
    upload.refresh_from_db()
    assert upload.state == Upload.State.REFUSED
    problems = upload.report["problems"]
    assert upload.report["n_problems"] == len(problems) >= 1
    found = [p for p in problems if words in p["message"] and all(p[key] == expected[key] for key in expected)]
    assert found, problems

    with pytest.raises(ImagesError, match="no problem can be stored"):
        uploads.request_store(upload, actor=administrator)
    assert_nothing_is_stored(storage)
    uploads.discard(upload, actor=administrator)
    assert material.staged_files(storage) == []
    assert not Upload.objects.exists()


def test_importing_raises_with_the_same_problem(
    case: tuple[bytes, bytes, dict[str, object], str], administrator: User, storage: Path
) -> None:
    archive, manifest, expected, words = case
    with pytest.raises(ImagesError, match="nothing was stored") as caught:
        uploads.import_archive(
            archive=File(io.BytesIO(archive), "pictures.zip"), manifest=File(io.BytesIO(manifest), "truth.csv"),
            name="A set", created_by=administrator,
        )  # fmt: skip
    found = [
        problem
        for problem in caught.value.problems
        if words in problem.message and all(getattr(problem, key) == expected[key] for key in expected)
    ]
    assert found
    assert_nothing_is_stored(storage)


def test_everything_wrong_is_in_one_report(administrator: User) -> None:
    """What is wrong with the manifest, with the ZIP and with the pictures, at once."""
    archive = zip_of({
        "a.jpg": picture(1), "b.jpg": picture(2, "PNG"), "c.jpg": picture(3)[:500], "more.jpg": picture(4),
        "../x.jpg": b"x",
    })  # fmt: skip
    rows = [
        *rows_for(["a.jpg"], diagnosis="wart?", age="old"), *rows_for(["b.jpg", "c.jpg"]), *rows_for(["gone.jpg"]),
    ]  # fmt: skip
    upload = material.uploaded(administrator, archive, manifest_of(rows))
    tasks.check_upload(upload.pk)
    upload.refresh_from_db()
    found = [(problem["row"], problem["column"], problem["value"]) for problem in upload.report["problems"]]
    assert sorted(found, key=str) == sorted(
        [
            (2, "diagnosis", "wart?"), (2, "age", "old"), (3, "file", "b.jpg"), (4, "file", "c.jpg"),
            (5, "file", "gone.jpg"), (None, "file", "more.jpg"), (None, "", "../x.jpg"),
        ],
        key=str,
    )  # fmt: skip
    assert (upload.report["accepted"], upload.report["rows"]) == (0, 4)


def test_of_a_bad_upload_the_good_rows_are_counted(administrator: User) -> None:
    archive = zip_of({"a.jpg": picture(1), "b.jpg": picture(2), "c.jpg": picture(3)})
    rows = [*rows_for(["a.jpg", "b.jpg"]), *rows_for(["c.jpg"], modality="x-ray")]
    upload = material.uploaded(administrator, archive, manifest_of(rows))
    tasks.check_upload(upload.pk)
    upload.refresh_from_db()
    assert (upload.report["accepted"], upload.report["rows"]) == (2, 3)
    assert upload.report["diagnoses"] == {"melanoma": 2}


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("a.jpg", "a.jpg"),
        ("My pictures/a.jpg", "a.jpg"),  # a ZIP made by a right click on the folder
        ("My pictures/images/a.jpg", "images/a.jpg"),
        ("a.jpg", "images/a.jpg"),
        ("export/a.jpg", "images/a.jpg"),  # another folder's name, and only one such picture
        ("images/a.jpg", "images\\a.jpg"),
        ("images/a.jpg", "./images/a.jpg"),
        ("mu\u0308ller.jpg", "m\u00fcller.jpg"),
    ],
)
def test_a_row_finds_its_file(path: str, named: str, administrator: User) -> None:
    made = uploads.import_archive(
        archive=File(io.BytesIO(zip_of({path: picture(1)})), "pictures.zip"),
        manifest=File(io.BytesIO(manifest_of(rows_for([named]))), "truth.csv"), name="A set", created_by=administrator,
    )  # fmt: skip
    assert made.images.get().reference.original_name == unicodedata.normalize("NFC", path)


@pytest.mark.parametrize(
    ("paths", "named", "words"),
    [
        (["one/a.jpg", "two/a.jpg"], ["a.jpg"], "one/a.jpg, two/a.jpg. Write the whole path."),
        (["one/a.jpg"], ["two/a.jpg", "three/a.jpg"], "one/a.jpg. Write the whole path."),
        (["one/a.jpg"], ["one/a.jpg", "a.jpg"], "Row 2 names the same file, “one/a.jpg” in the ZIP"),
    ],
)
def test_a_row_that_could_mean_several_files(
    paths: list[str], named: list[str], words: str, administrator: User
) -> None:
    archive = zip_of({path: picture(number) for number, path in enumerate(paths)})
    upload = material.uploaded(administrator, archive, manifest_of(rows_for(named)))
    tasks.check_upload(upload.pk)
    upload.refresh_from_db()
    assert any(words in problem["message"] for problem in upload.report["problems"]), upload.report["problems"]


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("UPLOAD_MAX_BYTES", 1000, "Unpacked, the ZIP takes"),
        ("UPLOAD_MAX_IMAGES", 1, "1 rows"),
        ("IMAGE_MAX_BYTES", 500, "larger than 500 bytes"),
        ("IMAGE_MAX_PIXELS", 5000, "megapixels"),
    ],
)
def test_limits_are_settings(setting: str, value: int, words: str, administrator: User, settings: LazySettings) -> None:
    upload = material.uploaded(administrator, zip_of(PICTURES), GOOD)
    setattr(settings, setting, value)
    tasks.check_upload(upload.pk)
    upload.refresh_from_db()
    assert any(words in problem["message"] for problem in upload.report["problems"]), upload.report["problems"]


@pytest.mark.parametrize("which", ["archive", "manifest"])
def test_a_file_that_cannot_be_opened(which: str, tmp_path: Path, administrator: User) -> None:
    paths = {"archive": tmp_path / "x.zip", "manifest": tmp_path / "x.csv"}
    for name in paths.keys() - {which}:
        paths[name].write_bytes(GOOD)
    with pytest.raises(ImagesError, match=f"{paths[which].name} cannot be read"):
        uploads.import_archive(
            archive=paths["archive"], manifest=paths["manifest"], name="A set", created_by=administrator
        )
