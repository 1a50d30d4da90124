"""The ZIP: each way in which one can be wrong or dangerous."""

import contextlib
import io
import random
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable

import pytest
from django.conf import LazySettings

from readerstudy.images.archive import Archive, open_archive
from readerstudy.images.errors import ImagesError, Problem, Problems
from tests.images.material import patched, zip_of


def opened(content: bytes) -> tuple[Archive | None, list[Problem]]:
    problems = Problems()
    archive = open_archive(io.BytesIO(content), name="pictures.zip", problems=problems)
    return archive, list(problems)


def problem_of(content: bytes) -> Problem:
    _archive, problems = opened(content)
    (problem,) = problems
    assert problem.file == "pictures.zip"
    return problem


def special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3  # Unix
    info.external_attr = (mode | 0o777) << 16
    return info


def test_members_are_read() -> None:
    archive, problems = opened(zip_of({"folder/a.jpg": b"A", "b.jpg": b"B", "folder/": b""}))
    assert problems == []
    assert archive is not None
    assert {member.path: archive.read(member) for member in archive.members} == {"folder/a.jpg": b"A", "b.jpg": b"B"}


def test_what_a_system_puts_there_is_left_out() -> None:
    names = ["__MACOSX/._a.jpg", "f/.DS_Store", "Thumbs.db", "f/thumbs.db", "f/._b.jpg", "desktop.ini", "a.jpg"]
    archive, problems = opened(zip_of(dict.fromkeys(names, b"x")))
    assert problems == []
    assert archive is not None
    assert [member.path for member in archive.members] == ["a.jpg"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a ZIP"),
        (b"Rar!\x1a\x07\x00 and so on", "not a ZIP"),
        (b"\xff\xd8\xff a JPEG", "not a ZIP"),
        (b"PK\x03\x04 and nothing more", "damaged or was cut off"),
    ],
)
def test_not_a_zip(content: bytes, words: str) -> None:
    problem = problem_of(content)
    assert words in problem.message
    assert opened(content)[0] is None


def test_a_zip_that_was_cut_off() -> None:
    content = zip_of({"a.jpg": random.Random(0).randbytes(5000), "b.jpg": b"B"})
    assert "cut off" in problem_of(content[:3000]).message


def test_an_empty_zip() -> None:
    assert "no files in it" in problem_of(zip_of({})).message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../a.jpg", "leads out of the ZIP"),
        ("x/../../a.jpg", "leads out of the ZIP"),
        ("__MACOSX/../../a.jpg", "leads out of the ZIP"),
        ("/etc/a.jpg", "absolute"),
        ("C:/a.jpg", "drive letter"),
        ("c:a.jpg", "drive letter"),
        ("folder\\a.jpg", "backslash"),
        ("..\\a.jpg", "backslash"),
        ("a\nb.jpg", "control character"),
        ("x" * 501, "longer than 500"),
        (".", "no name"),
    ],
)
def test_unsafe_names(name: str, words: str) -> None:
    archive, problems = opened(zip_of([(name, b"x"), ("good.jpg", b"y")]))
    (problem,) = problems
    assert problem.value[:100] == name[:100]
    assert words in problem.message
    assert archive is not None
    assert [member.path for member in archive.members] == ["good.jpg"]


def test_a_name_with_nul() -> None:
    """zipfile cuts a name at a NUL: `a.jpg\\0.exe` would pass for `a.jpg`."""
    content = zip_of({"a.jpgX.exe": b"x"}).replace(b"a.jpgX.exe", b"a.jpg\0.exe")
    assert "control character" in problem_of(content).message


@pytest.mark.parametrize(("first", "second"), [("a.jpg", "a.jpg"), ("f/a.jpg", "f/./a.jpg"), ("a.jpg", "./a.jpg")])
def test_duplicates_are_both_refused(first: str, second: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own, on writing one
        content = zip_of([(first, b"one"), (second, b"two")])
    archive, problems = opened(content)
    assert [problem.value for problem in problems] == [first, second]
    assert all("2 files of this name" in problem.message for problem in problems)
    assert archive is not None
    assert archive.members == ()


@pytest.mark.parametrize("flag", [0x1, 0x41, 0x2000])
def test_encrypted(flag: int) -> None:
    problem = problem_of(patched(zip_of({"a.jpg": b"x"}), flag=flag))
    assert problem.value == "a.jpg"
    assert "encrypted" in problem.message


def test_a_symbolic_link() -> None:
    problem = problem_of(zip_of([(special("link.jpg", stat.S_IFLNK), b"/etc/passwd")]))
    assert problem.value == "link.jpg"
    assert "symbolic link" in problem.message


@pytest.mark.parametrize("mode", [stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_other_special_files(mode: int) -> None:
    assert "not a plain file" in problem_of(zip_of([(special("pipe.jpg", mode), b"")])).message


@pytest.mark.parametrize("method", [9, 12, 14, 93])  # Deflate64, bzip2, LZMA, Zstandard
def test_other_ways_to_compress(method: int) -> None:
    assert f"method {method}" in problem_of(patched(zip_of({"a.jpg": b"x"}), method=method)).message


def test_a_zip_within() -> None:
    problem = problem_of(zip_of({"more.ZIP": zip_of({"a.jpg": b"x"})}))
    assert problem.value == "more.ZIP"
    assert "ZIP within the ZIP" in problem.message


def test_a_bomb_by_its_ratio() -> None:
    problem = problem_of(zip_of({"bomb.png": bytes(20 * 2**20)}))
    assert problem.value == "bomb.png"
    assert "bomb" in problem.message


def test_a_bomb_by_its_sum(settings: LazySettings) -> None:
    settings.UPLOAD_MAX_BYTES = 3 * 2**20
    noise = random.Random(1).randbytes(2**20)
    assert opened(zip_of({f"{n}.jpg": noise for n in range(3)}))[1] == []
    problem = problem_of(zip_of({f"{n}.jpg": noise for n in range(4)}))
    assert "Unpacked, the ZIP takes 4 MB; allowed are 3 MB" in problem.message


def test_a_bomb_by_its_count(settings: LazySettings) -> None:
    settings.UPLOAD_MAX_IMAGES = 2
    problem = problem_of(zip_of({f"{n}.jpg": b"x" for n in range(5)}))
    assert "5 entries" in problem.message


def test_one_file_that_is_too_large(settings: LazySettings) -> None:
    settings.IMAGE_MAX_BYTES = 1000
    problem = problem_of(zip_of({"a.jpg": random.Random(2).randbytes(1001)}))
    assert problem.value == "a.jpg"
    assert "larger than 1000 bytes" in problem.message


def test_a_bomb_that_lies_about_its_size() -> None:
    """The headers say 100 bytes, the data unpacks to 20 MB: no more than 100 are unpacked, and their sum is off."""
    archive, problems = opened(patched(zip_of({"a.png": bytes(20 * 2**20)}), size=100))
    assert problems == []
    assert archive is not None
    (member,) = archive.members
    with pytest.raises(ImagesError, match="damaged"):
        archive.read(member)


def test_files_that_lie_in_one_another() -> None:
    """Fifield's bomb (WOOT 2019): many entries of the list point at the same compressed bytes."""
    archive = zip_of({"a.jpg": random.Random(3).randbytes(2000), "b.jpg": b"x"})
    second = archive.find(b"PK\x01\x02", archive.find(b"PK\x01\x02") + 4)
    overlapping = bytearray(archive)
    overlapping[second + 42 : second + 46] = struct.pack("<I", 0)  # APPNOTE.TXT 4.4.16: where the file begins
    problem = problem_of(bytes(overlapping))
    assert "share the same bytes" in problem.message
    assert "a.jpg" in problem.message
    assert "b.jpg" in problem.message


def test_a_list_of_contents_that_is_too_large(settings: LazySettings) -> None:
    settings.UPLOAD_MAX_IMAGES = 1  # then it may have 1 MB
    content = zip_of([(f"{n:05}" + "x" * 400, b"") for n in range(2500)])
    assert "list of contents" in problem_of(content).message


def test_a_damaged_member_names_it() -> None:
    content = bytearray(zip_of({"a.jpg": random.Random(4).randbytes(3000)}))
    content[500] ^= 0xFF
    archive, problems = opened(bytes(content))
    assert problems == []
    assert archive is not None
    with pytest.raises(ImagesError, match="damaged"):
        archive.read(archive.members[0])


def renamed(content: bytes, name: bytes, other: bytes) -> bytes:
    assert len(name) == len(other)
    return content.replace(name, other)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: renamed(content, b"mxxx", "mü".encode() + b"x"),  # macOS: UTF-8, not said to be
        lambda content: renamed(content, b"mxxx", b"m" + "u\u0308".encode()),  # letter and dots apart
    ],
)
def test_names_as_macos_writes_them(spoil: Callable[[bytes], bytes]) -> None:
    archive, problems = opened(spoil(zip_of({"mxxx.jpg": b"x"})))
    assert problems == []
    assert archive is not None
    assert archive.members[0].path.startswith("mü")


def test_nothing_makes_it_fall_over() -> None:
    whole = zip_of({"a.jpg": b"A" * 300, "folder/b.jpg": bytes(range(256))})
    chance = random.Random(5)
    for _ in range(2000):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        archive, _problems = opened(bytes(content[: chance.choice([len(content), chance.randrange(len(content))])]))
        for member in archive.members if archive else ():
            with contextlib.suppress(ImagesError):
                archive.read(member)
