"""Pictures, ZIPs and manifests for the tests of this room, good and bad, made by code."""

import csv
import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image as Pillow

from readerstudy.accounts.models import User
from readerstudy.images import tasks
from readerstudy.images import upload as uploads
from readerstudy.images.models import Upload

HEADER = ("file", "diagnosis", "confirmation", "modality")
ROW = {"diagnosis": "melanoma", "confirmation": "histopathology", "modality": "dermoscopy"}


def pixels(seed: int, size: tuple[int, int] = (96, 72)) -> np.ndarray:
    """Smooth colours, as in a photograph; no other seed has them."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Pillow.fromarray(small).resize(size, Pillow.Resampling.BICUBIC))


def picture(seed: int, kind: str = "JPEG", size: tuple[int, int] = (96, 72), **options: Any) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels(seed, size)).save(buffer, kind, **options)
    return buffer.getvalue()


def zip_of(members: Mapping[str, bytes] | Iterable[tuple[str | zipfile.ZipInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items() if isinstance(members, Mapping) else members:
            file.writestr(name, content, compress_type=zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def manifest_of(rows: Iterable[Mapping[str, Any]], *, header: Iterable[str] = (), delimiter: str = ",") -> bytes:
    rows = list(rows)
    columns = list(header) or list(dict.fromkeys([*HEADER, *(column for row in rows for column in row)]))
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns, delimiter=delimiter, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def rows_for(names: Iterable[str], **values: Any) -> list[dict[str, Any]]:
    return [{"file": name, **ROW, **values} for name in names]


def good(n: int = 3, *, prefix: str = "") -> tuple[bytes, bytes]:
    """A ZIP of n JPEGs and its manifest: nothing is wrong with them."""
    names = [f"IMG_{number:03}.jpg" for number in range(1, n + 1)]
    archive = zip_of({f"{prefix}{name}": picture(number) for number, name in enumerate(names)})
    rows = [
        {"file": name, **ROW, "lesion_id": f"L-{number}", "patient_id": f"P-{number}"}
        for number, name in enumerate(names)
    ]
    return archive, manifest_of(rows)


def uploaded(actor: User, archive: bytes, manifest: bytes, *, name: str = "A set") -> Upload:
    """An upload as the page makes it, waiting for its check."""
    return uploads.make(
        name=name, description="", notice="", actor=actor,
        archive=SimpleUploadedFile("pictures.zip", archive), manifest=SimpleUploadedFile("truth.csv", manifest),
    )  # fmt: skip


def stored_files(folder: Path) -> list[str]:
    """Every file below the storage's folder, uploads that wait aside."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] != "uploads"
    )


def staged_files(folder: Path) -> list[Path]:
    return [path for path in (folder / "uploads").rglob("*") if path.is_file()]


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and has no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def patched(archive: bytes, *, flag: int = 0, method: int | None = None, size: int | None = None) -> bytes:
    """The ZIP with other values in every header, local and central (APPNOTE.TXT 4.3.7 and 4.3.12 give the places)."""
    content = bytearray(archive)
    for signature, flags, methods, sizes in ((b"PK\x03\x04", 6, 8, 22), (b"PK\x01\x02", 8, 10, 24)):
        at = content.find(signature)
        while at >= 0:
            (old,) = struct.unpack_from("<H", content, at + flags)
            struct.pack_into("<H", content, at + flags, old | flag)
            if method is not None:
                struct.pack_into("<H", content, at + methods, method)
            if size is not None:
                struct.pack_into("<I", content, at + sizes, size)
            at = content.find(signature, at + 4)
    return bytes(content)


def linear_profile() -> bytes:
    """A minimal ICC profile (ICC.1:2001-04): sRGB's primaries adapted to D50, and a gamma of 1."""

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, 0x0100) + b"\0\0"
    text = b"PLANTED-IN-ICC"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(12 + 67)
    tags = {
        b"desc": description,
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.43607, 0.22249, 0.01392),
        b"gXYZ": xyz(0.38515, 0.71687, 0.09708),
        b"bXYZ": xyz(0.14307, 0.06061, 0.71410),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += struct.pack(">iii", round(0.9642 * 65536), 65536, round(0.8249 * 65536))
    return header.ljust(128, b"\0") + table + body


def uploaded_quietly(actor: User, archive: bytes, manifest: bytes) -> Upload:
    """An upload whose row is committed without a message to a broker."""
    upload = Upload(name="A set", created_by=actor, archive_name="pictures.zip", manifest_name="truth.csv")
    upload.archive.save("archive", SimpleUploadedFile("pictures.zip", archive), save=False)
    upload.manifest.save("manifest", SimpleUploadedFile("truth.csv", manifest), save=False)
    upload.save()
    return upload


def checked(actor: User, n: int = 3) -> Upload:
    upload = uploaded(actor, *good(n))
    tasks.check_upload(upload.pk)
    upload.refresh_from_db()
    assert upload.state == Upload.State.CHECKED
    assert upload.report["n_problems"] == 0, upload.report
    return upload


def asked(actor: User, n: int = 3) -> Upload:
    upload = checked(actor, n)
    uploads.request_store(upload, actor=actor)
    upload.refresh_from_db()
    assert upload.state == Upload.State.STORING
    return upload
