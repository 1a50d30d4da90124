"""Captures from EXIF and XMP, sittings, bad files, and a cache that lets an interrupted run go on."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from model_core.manifest import DataError
from model_core.split import fingerprints
from model_core.split.exif import Capture, read_capture
from model_core.split.fingerprints import capture_keys, fingerprint, fingerprint_all

BASE = ExifTags.Base
NOON = datetime.datetime(2024, 5, 3, 12, 0, 0)  # noqa: DTZ001 (a camera's clock has no zone)


def picture(seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), np.uint8)
    return Image.fromarray(noise).resize((120, 90), Image.Resampling.BICUBIC)


def taken(path: Path, *, time: str = "", serial: str = "", unique: str = "", subsec: str = "", xmp: str = "") -> Path:
    exif = Image.Exif()
    exif[BASE.Make], exif[BASE.Model] = "Maker", "Model 1"
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    for tag, value in (
        (BASE.DateTimeOriginal, time), (BASE.BodySerialNumber, serial), (BASE.ImageUniqueID, unique),
        (BASE.SubsecTimeOriginal, subsec),
    ):  # fmt: skip
        if value:
            inner[tag] = value
    packet = {"xmp": xmp.encode()} if xmp else {}
    picture().save(path, exif=exif, **packet)
    return path


def capture(path: Path) -> Capture:
    with Image.open(path) as image:
        return read_capture(image)


def test_what_a_camera_writes_is_read(tmp_path: Path) -> None:
    path = taken(tmp_path / "a.jpg", time="2024:05:03 12:00:00", serial="0012345", unique="ab12cd34ef", subsec="25")
    assert capture(path) == Capture(
        original="exposure ab12cd34ef",
        camera="Maker Model 1 12345",
        serial=True,
        taken_at=NOON.replace(microsecond=250_000),
    )


@pytest.mark.parametrize("time", ["0000:00:00 00:00:00", "2000:01:01 00:00:07", "    :  :     :  :  ", "yesterday", ""])
def test_a_clock_that_was_never_set_tells_no_time(tmp_path: Path, time: str) -> None:
    found = capture(taken(tmp_path / "a.jpg", time=time, unique="0" * 32))
    assert (found.taken_at, found.original) == (None, "")


def test_an_edited_copy_names_its_original(tmp_path: Path) -> None:
    packet = '<x:xmpmeta><rdf:Description xmpMM:OriginalDocumentID="xmp.did:1234-5678"/></x:xmpmeta>'
    assert capture(taken(tmp_path / "a.jpg", xmp=packet)).original == "document xmp.did:1234-5678"


def test_no_metadata_and_damaged_metadata_are_no_capture(tmp_path: Path) -> None:
    picture().save(tmp_path / "plain.png")
    assert capture(tmp_path / "plain.png") == Capture()
    picture().save(tmp_path / "bad.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    found = fingerprint(tmp_path / "bad.jpg")
    assert (found.capture, found.error) == (Capture(), "")


def at(seconds: float, camera: str = "A 1", *, serial: bool = True) -> Capture:
    return Capture("", camera, serial, NOON + datetime.timedelta(seconds=seconds))


def test_a_sitting_is_a_run_of_exposures_of_one_camera() -> None:
    """0, 100 and 200 s lie within 120 s of each other one by one; 400 s does not; another camera is another sitting."""
    captures = [at(200), at(0), at(100), at(400), at(50, "B 2"), Capture(camera="A 1", serial=True), Capture()]
    sitting = capture_keys(captures, gap=datetime.timedelta(seconds=120))["camera and time (EXIF)"]
    assert sitting[0] == sitting[1] == sitting[2] != ""
    assert len(set(sitting[:5])) == 3
    assert sitting[5:] == ["", ""]


def test_cameras_of_one_model_share_only_the_very_same_moment() -> None:
    captures = [at(0, "A", serial=False), at(0, "A", serial=False), at(1, "A", serial=False)]
    sitting = capture_keys(captures, gap=datetime.timedelta(seconds=120))["camera and time (EXIF)"]
    assert sitting[0] == sitting[1] != sitting[2]


def test_the_same_original_is_a_key() -> None:
    captures = [Capture("exposure x"), Capture(), Capture("exposure x")]
    assert capture_keys(captures, gap=datetime.timedelta(0))["original (metadata)"] == ["exposure x", "", "exposure x"]


def bad_files(tmp_path: Path) -> list[Path]:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not an image")
    picture().save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:700])
    return [tmp_path / name for name in ("empty.jpg", "text.jpg", "cut.jpg", "missing.jpg")]


def test_a_bad_file_is_named_and_does_not_stop_the_rest(tmp_path: Path) -> None:
    paths = [*bad_files(tmp_path), tmp_path / "whole.jpg"]
    prints = fingerprint_all(paths)
    assert [bool(p.error) for p in prints] == [True, True, True, True, False]
    assert all("cannot be decoded" in p.error and str(tmp_path) not in p.error for p in prints[:3])
    assert prints[3].error == "is not there"
    assert (prints[4].width, prints[4].height) == (120, 90)
    assert prints[4].hash.any()


def test_a_picture_of_too_many_pixels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture().save(tmp_path / "a.png")
    monkeypatch.setattr(fingerprints, "MAX_PIXELS", 10_000)
    assert fingerprint(tmp_path / "a.png").error == "120 x 90 pixels are too many"


def same(a: fingerprints.Fingerprint, b: fingerprints.Fingerprint) -> bool:
    arrays = ((a.hash, b.hash), (a.keypoints.geometry, b.keypoints.geometry), (a.keypoints.descriptors,
              b.keypoints.descriptors))  # fmt: skip
    rest = (a.capture, a.width, a.height, a.error) == (b.capture, b.width, b.height, b.error)
    return rest and repr(a.quality) == repr(b.quality) and all(np.array_equal(x, y) for x, y in arrays)


def test_what_was_done_is_kept_and_only_changes_are_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "SHARD", 2)
    paths = [taken(tmp_path / f"{i}.jpg", time=f"2024:05:03 12:00:0{i}", serial="77") for i in range(3)]
    paths += [tmp_path / "missing.jpg"]
    done: list[str] = []
    look = fingerprints.fingerprint

    def counted(path: Path, *, local: bool = True) -> fingerprints.Fingerprint:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(path.name)
        return look(path, local=local)

    monkeypatch.setattr(fingerprints, "fingerprint", counted)
    with pytest.raises(KeyboardInterrupt):
        fingerprint_all(paths, cache=tmp_path / "cache")
    assert done == ["0.jpg", "1.jpg", "2.jpg"]
    assert len(list((tmp_path / "cache").iterdir())) == 1  # one whole shard, and nothing half-written
    done.clear()
    resumed = fingerprint_all(paths, cache=tmp_path / "cache")
    assert done == ["2.jpg", "missing.jpg"]
    done.clear()
    again = fingerprint_all(paths, cache=tmp_path / "cache")
    assert done == []
    assert all(same(a, b) and same(a, c) for a, b, c in zip(resumed, again, map(look, paths), strict=True))
    picture(5).save(paths[0])
    fingerprint_all(paths, cache=tmp_path / "cache")
    assert done == ["0.jpg", "1.jpg"]


def test_a_damaged_cache_is_named(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    fingerprint_all([tmp_path / "a.png"], cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(b"PK\3\4 broken")
    with pytest.raises(DataError, match=f"The cache .*{file.name} is damaged"):
        fingerprint_all([tmp_path / "a.png"], cache=tmp_path / "cache")


def test_several_processes_find_the_same(tmp_path: Path) -> None:
    paths = []
    for i in range(3):
        paths.append(tmp_path / f"{i}.png")
        picture(i).save(paths[-1])
    one, two = fingerprint_all(paths), fingerprint_all(paths, workers=2)
    assert all(same(a, b) for a, b in zip(one, two, strict=True))
