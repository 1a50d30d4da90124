"""Which row of the manifest belongs to which file of the ZIP."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from django.utils.translation import gettext as _

from readerstudy.images.archive import Member
from readerstudy.images.errors import Problems
from readerstudy.images.manifest import Manifest, ManifestRow


def match(
    manifest: Manifest, members: Sequence[Member], *, archive_name: str, problems: Problems
) -> dict[Member, ManifestRow]:
    """The row of each member. A row names a path in the ZIP, or the end of one (a ZIP made by a right click has one
    folder at the top), or, where that leaves no doubt, only the last part of one.

    A row without a file, two rows with the same file, and a file without a row go to `problems`.
    """
    folder = _Folder(members, manifest.rows)
    rows: dict[Member, ManifestRow] = {}
    for row in manifest.rows:
        found = folder.find(row.file)
        if isinstance(found, str):
            problems.add(manifest.name, row.row, "file", row.file, found)
            continue
        first = rows.setdefault(found, row)
        if first is not row:
            message = _("Row %(first)d names the same file, “%(path)s” in the ZIP. A file may have one row.")
            problems.add(manifest.name, row.row, "file", row.file, message % {"first": first.row, "path": found.path})
            problems.rows.add(first.row)
    if manifest.is_complete:
        for member in members:
            if member not in rows:
                message = _("No row of %s names this file. Add a row, or take the file out of the ZIP.")
                problems.add(archive_name, None, "file", member.path, message % manifest.name)
    return rows


class _Folder:
    def __init__(self, members: Sequence[Member], rows: Sequence[ManifestRow]) -> None:
        self._by_path = {member.path: member for member in members}
        self._by_base: dict[str, list[Member]] = defaultdict(list)
        self._by_stem: dict[str, str] = {}
        for member in members:
            base = member.path.rpartition("/")[2]
            self._by_base[base].append(member)
            self._by_stem.setdefault(_stem(base), member.path)
        self._rows_of_base = Counter(row.file.rpartition("/")[2] for row in rows)

    def find(self, file: str) -> Member | str:
        """The member meant, or why there is none, in a sentence."""
        if file in self._by_path:
            return self._by_path[file]
        base = file.rpartition("/")[2]
        same_base = self._by_base.get(base, [])
        same_end = [m for m in same_base if m.path.endswith(f"/{file}") or file.endswith(f"/{m.path}")]
        if len(same_end) == 1:
            return same_end[0]
        if not same_end and len(same_base) == 1 and self._rows_of_base[base] == 1:
            return same_base[0]
        if same_base:
            paths = ", ".join(member.path for member in same_base[:3])
            return _("The ZIP has files that may be meant: %s. Write the whole path.") % paths
        if close := self._by_stem.get(_stem(base)):
            return _("This file is not in the ZIP. Is “%s” meant? Capitals and endings count.") % close
        return _("This file is not in the ZIP.")


def _stem(base: str) -> str:
    return base.rpartition(".")[0].casefold() or base.casefold()
