"""manage.py import_images."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from readerstudy.accounts.models import User
from readerstudy.images.models import ImageSet
from readerstudy.images.upload import import_archive
from tests.images.material import good, manifest_of, rows_for, stored_files


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    archive, manifest = tmp_path / "pictures.zip", tmp_path / "truth.csv"
    for path, content in zip((archive, manifest), good(), strict=True):
        path.write_bytes(content)
    return archive, manifest


def test_it_makes_a_set(files: tuple[Path, Path], administrator: User) -> None:
    out = StringIO()
    options = ("--name", "A set", "--as", "Admin@Example.org", "--notice", "Drawn.")
    call_command("import_images", *files, *options, stdout=out)
    made = ImageSet.objects.get()
    assert (made.name, made.notice, made.n_images, made.created_by) == ("A set", "Drawn.", 3, administrator)
    assert made.sha256 in out.getvalue()
    assert all(path.exists() for path in files)  # one's own files stay


def test_it_prints_every_problem(files: tuple[Path, Path], administrator: User, storage: Path) -> None:
    files[1].write_bytes(manifest_of(rows_for(["IMG_001.jpg", "gone.jpg"], age="old")))
    err = StringIO()
    with pytest.raises(CommandError, match="nothing was stored"):
        call_command("import_images", *files, "--name", "A set", "--as", "admin@example.org", stderr=err)
    lines = err.getvalue().splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "pictures.zip, column file, “IMG_002.jpg”", "pictures.zip, column file, “IMG_003.jpg”",
        "truth.csv, row 2, column age, “old”", "truth.csv, row 3, column age, “old”",
        "truth.csv, row 3, column file, “gone.jpg”",
    ]  # fmt: skip
    assert not ImageSet.objects.exists()
    assert stored_files(storage) == []


@pytest.mark.parametrize("email", ["nobody@example.org", "researcher@example.org"])
def test_only_an_administrator_may(email: str, files: tuple[Path, Path], researcher: User) -> None:
    with pytest.raises(CommandError, match=email):
        call_command("import_images", *files, "--name", "A set", "--as", email)


def test_a_name_can_be_had_once(files: tuple[Path, Path], administrator: User) -> None:
    options = ("--name", "A set", "--as", "admin@example.org")
    call_command("import_images", *files, *options, stdout=StringIO())
    with pytest.raises(CommandError, match="already"):
        call_command("import_images", *files, *options, stdout=StringIO())
    assert ImageSet.objects.count() == 1


def test_progress_counts_both_passes(files: tuple[Path, Path], administrator: User) -> None:
    told: list[tuple[int, int]] = []
    import_archive(
        archive=files[0], manifest=files[1], name="A set", created_by=administrator,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert [done for done, _total in told] == [0, 1, 2, 3, 3, 4, 5, 6]
    assert {total for _done, total in told} == {6}
