"""Reading JSON that somebody else wrote: each value with its place, and a sentence where it is wrong."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.db import models
from django.utils.translation import gettext as _

from readerstudy.studies.errors import StudiesError


class Node:
    """A JSON value and its path, such as `tests.0.title`. Every method raises StudiesError that names the path."""

    def __init__(self, value: Any, path: str) -> None:
        self.value, self.path = value, path

    def wrong(self, expected: str) -> StudiesError:
        """What to raise for a value that is not what is expected."""
        return StudiesError(
            _("%(path)s: %(expected)s is expected, not %(found)s.")
            % {"path": self.path or _("the file"), "expected": expected, "found": repr(self.value)[:60]},
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
        )

    def mapping(self) -> Mapping[str, Any]:
        if not isinstance(self.value, dict):
            raise self.wrong(_("an object"))
        return self.value

    def child(self, key: str) -> "Node":
        path = f"{self.path}.{key}" if self.path else key
        if key not in self.mapping():
            raise StudiesError(_("%(path)s is missing.") % {"path": path}, status=HTTPStatus.UNPROCESSABLE_ENTITY)
        return Node(self.mapping()[key], path)

    def optional(self, key: str) -> "Node | None":
        """The child, or None where it is null."""
        found = self.child(key)
        return None if found.value is None else found

    def children(self, key: str) -> list["Node"]:
        found = self.child(key)
        if not isinstance(found.value, list):
            raise found.wrong(_("a list"))
        return [Node(value, f"{found.path}.{number}") for number, value in enumerate(found.value)]

    def text(self, key: str) -> str:
        return self.child(key)._text()

    def texts(self, key: str) -> list[str]:
        return [node._text() for node in self.children(key)]

    def _text(self) -> str:
        # PostgreSQL stores no NUL, and no half of a surrogate pair can be written as UTF-8.
        if not isinstance(self.value, str) or "\x00" in self.value or not _is_unicode(self.value):
            raise self.wrong(_("a text"))
        return self.value

    def whole(self, key: str) -> int:
        found = self.child(key)
        # A boolean is an int to Python.
        if not isinstance(found.value, int) or isinstance(found.value, bool):
            raise found.wrong(_("a whole number"))
        return found.value

    def whole_or_none(self, key: str) -> int | None:
        return None if self.optional(key) is None else self.whole(key)

    def truth(self, key: str) -> bool:
        found = self.child(key)
        if not isinstance(found.value, bool):
            raise found.wrong(_("true or false"))
        return found.value

    def truth_or_none(self, key: str) -> bool | None:
        return None if self.optional(key) is None else self.truth(key)

    def of_column(self, model: type[models.Model], name: str) -> Any:
        """The child `name`, of the type that the model's column of that name has."""
        column = model._meta.get_field(name)
        assert isinstance(column, models.Field)
        if isinstance(column, models.BooleanField):
            return self.truth_or_none(name) if column.null else self.truth(name)
        if isinstance(column, models.IntegerField):
            return self.whole_or_none(name) if column.null else self.whole(name)
        return self.text(name)


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
