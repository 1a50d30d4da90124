"""The check of an upload: each row with its picture, each picture decoded, and a report before anything is stored."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import IO, Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from readerstudy.images.archive import Archive, Member, open_archive
from readerstudy.images.errors import ImagesError, Problem, Problems
from readerstudy.images.manifest import Manifest, ManifestRow, read_manifest
from readerstudy.images.matching import match
from readerstudy.images.models import Confirmation
from readerstudy.images.pixels import Picture, read_picture
from readerstudy.images.truth import taxonomy

Progress = Callable[[int, int], None]
_NAMED_IN_A_WARNING = 5


@dataclass(frozen=True, slots=True)
class Files:
    """What was given: a ZIP and its manifest, open, with the names that their owner knows them by."""

    archive: IO[bytes]
    manifest: IO[bytes]
    archive_name: str
    manifest_name: str


@dataclass(frozen=True, slots=True)
class Report:
    """What is accepted and what is wrong. `accepted` counts rows without a problem; counts are of these alone.

    `diagnoses` has taxonomy node ids; `problems` the first of `n_problems`.
    """

    accepted: int
    rows: int
    diagnoses: dict[str, int]
    confirmations: dict[str, int]
    modalities: dict[str, int]
    lesions: int
    patients: int
    problems: tuple[Problem, ...]
    n_problems: int
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Checked:
    """A row, its member of the ZIP, that member's bytes and its pixels."""

    row: ManifestRow
    member: Member
    content: bytes
    picture: Picture


def check(files: Files, *, progress: Progress) -> Report:
    """Check everything, store nothing. `progress(done, total)` is called after each file of the ZIP."""
    problems = Problems()
    manifest, archive, members = _open(files, problems)
    decoded = {checked.row.row for checked in _pictures(files, archive, members, problems, progress)}
    return _report(manifest, decoded, problems)


def checked_pictures(files: Files, *, progress: Progress) -> Iterator[Checked]:
    """Every picture with its row, in the order of the ZIP, one at a time in memory.

    Raises: ImagesError with the problems, at the first file that has one: what is stored was checked again.
    """
    problems = Problems()
    _manifest, archive, members = _open(files, problems)
    refuse(problems)
    for checked in _pictures(files, archive, members, problems, progress):
        refuse(problems)
        yield checked
    refuse(problems)


def refuse(problems: Problems) -> None:
    """Raises: ImagesError, if there is any problem."""
    if problems.total:
        raise problems_error(tuple(problems), problems.total)


def problems_error(problems: Sequence[Problem], total: int) -> ImagesError:
    words = ngettext("%d problem; nothing was stored.", "%d problems; nothing was stored.", total) % total
    return ImagesError(f"{words} {problems[0]}" if problems else words, problems=problems)


def _open(files: Files, problems: Problems) -> tuple[Manifest, Archive | None, dict[Member, ManifestRow | None]]:
    """The rows, the ZIP, and the row of each of its members (None: no row names it)."""
    manifest = read_manifest(files.manifest, name=files.manifest_name, taxonomy=taxonomy(), problems=problems)
    archive = open_archive(files.archive, name=files.archive_name, problems=problems)
    if archive is None:
        return manifest, None, {}
    rows = match(manifest, archive.members, archive_name=files.archive_name, problems=problems)
    return manifest, archive, {member: rows.get(member) for member in archive.members}


def _pictures(
    files: Files,
    archive: Archive | None,
    members: dict[Member, ManifestRow | None],
    problems: Problems,
    progress: Progress,
) -> Iterator[Checked]:
    """Decode every member, those too that no row names, so that one report has everything."""
    seen: dict[str, tuple[Member, int | None]] = {}
    progress(0, len(members))
    for done, (member, row) in enumerate(members.items(), start=1):
        assert archive is not None
        number = row.row if row else None
        try:
            content = archive.read(member)
            picture = read_picture(content, name=member.path)
        except ImagesError as error:
            problems.add(files.archive_name, number, "file", member.path, str(error))
        else:
            twin = seen.setdefault(picture.sha256, (member, number))
            if twin[0] is not member:
                _add_twins(files.archive_name, member, number, twin, problems)
            elif row:
                yield Checked(row, member, content, picture)
        progress(done, len(members))


def _add_twins(
    archive_name: str, member: Member, number: int | None, twin: tuple[Member, int | None], problems: Problems
) -> None:
    other, other_number = twin
    where = _("row %d") % other_number if other_number else _("no row")
    message = _("This is the same picture, pixel for pixel, as “%(other)s” (%(where)s). A set has each once.") % {
        "other": other.path, "where": where,
    }  # fmt: skip
    problems.add(archive_name, number, "file", member.path, message)
    if other_number:
        problems.rows.add(other_number)


def _report(manifest: Manifest, decoded: set[int], problems: Problems) -> Report:
    header_is_good = 1 not in problems.rows
    accepted = decoded - problems.rows if header_is_good else set()
    good = [row for row in manifest.rows if row.row in accepted]
    ids = taxonomy().nodes
    diagnoses = Counter(row.diagnosis for row in good)
    # An image whose lesion is not stated is a lesion of its own; of patients nothing can be said.
    lesions = {_lesion(row) if row.lesion_id else row.row for row in good}
    return Report(
        accepted=len(good),
        rows=manifest.n_rows,
        diagnoses={node: diagnoses[node] for node in ids if node in diagnoses},
        confirmations=dict(Counter(row.confirmation for row in good).most_common()),
        modalities=dict(Counter(row.modality for row in good).most_common()),
        lesions=len(lesions),
        patients=len({row.patient_id for row in good if row.patient_id}),
        problems=tuple(problems),
        n_problems=problems.total,
        warnings=tuple(_warnings(manifest, good)),
    )


def _warnings(manifest: Manifest, rows: Sequence[ManifestRow]) -> Iterator[str]:
    """What does not keep the set out, and what its owner should know."""
    if manifest.unknown_columns:
        yield _("These columns are not known and were left out: %s.") % ", ".join(manifest.unknown_columns[:20])
    if unproven := sum(row.confirmation != Confirmation.HISTOPATHOLOGY for row in rows):
        yield ngettext(
            "%d image has no confirmation by histopathology: it is not biopsy-proven.",
            "%d images have no confirmation by histopathology: they are not biopsy-proven.", unproven,
        ) % unproven  # fmt: skip
    if unstated := sum(not row.lesion_id for row in rows):
        yield ngettext(
            "%d image has no lesion_id: it is taken for a lesion of its own.",
            "%d images have no lesion_id: each is taken for a lesion of its own.", unstated,
        ) % unstated  # fmt: skip
    if unstated := sum(not row.patient_id for row in rows):
        yield ngettext(
            "%d image has no patient_id: whether its patient is in another set cannot be told.",
            "%d images have no patient_id: whether their patients are in another set cannot be told.", unstated,
        ) % unstated  # fmt: skip
    yield from _lesion_warnings(rows)


def _lesion(row: ManifestRow) -> tuple[str, str]:
    """A lesion is known by its patient and its id: some publishers number lesions within a patient."""
    return row.lesion_id, row.patient_id


def _lesion_warnings(rows: Sequence[ManifestRow]) -> Iterator[str]:
    lesions: dict[tuple[str, str], list[ManifestRow]] = defaultdict(list)
    patients: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        if row.lesion_id:
            if _lesion(row) not in lesions:
                patients[row.lesion_id].append(_lesion(row))
            lesions[_lesion(row)].append(row)
    several = [members for members in lesions.values() if len(members) > 1]
    if several:
        yield ngettext(
            "%(n)d lesion has more than one image: %(which)s.", "%(n)d lesions have more than one image: %(which)s.",
            len(several),
        ) % {"n": len(several), "which": _some([_named(members) for members in several])}  # fmt: skip
    if differing := [members for members in several if len({row.diagnosis for row in members}) > 1]:
        yield _("One lesion with different diagnoses: %s. Is one of the rows wrong?") % _some(
            [_named(members) for members in differing]
        )
    if shared := [[lesions[lesion][0] for lesion in those] for those in patients.values() if len(those) > 1]:
        yield _("One lesion_id with several patients: %s. They are taken for different lesions.") % _some(
            [_named(members) for members in shared]
        )


def _named(rows: Sequence[ManifestRow]) -> str:
    numbers = ", ".join(str(row.row) for row in rows[:_NAMED_IN_A_WARNING])
    return _("%(lesion)s (rows %(rows)s)") % {"lesion": rows[0].lesion_id, "rows": numbers}


def _some(items: Sequence[str]) -> str:
    shown = ", ".join(items[:_NAMED_IN_A_WARNING])
    more = len(items) - _NAMED_IN_A_WARNING
    return shown if more <= 0 else _("%(shown)s and %(more)d more") % {"shown": shown, "more": more}
