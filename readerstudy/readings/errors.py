"""What can go wrong in this room, as a sentence for the reader, with a word for programs and its HTTP status."""

from http import HTTPStatus
from typing import Literal

Code = Literal[
    "malformed", "unknown", "ahead", "conflict", "locked", "not-yet", "screen", "consent", "closed", "withdrawn",
]  # fmt: skip

_STATUS: dict[Code, HTTPStatus] = {
    "malformed": HTTPStatus.BAD_REQUEST,
    "unknown": HTTPStatus.NOT_FOUND,
    "ahead": HTTPStatus.CONFLICT,  # something else comes first
    "conflict": HTTPStatus.CONFLICT,  # it was answered differently before
    "locked": HTTPStatus.CONFLICT,  # it may no longer be changed
    "not-yet": HTTPStatus.CONFLICT,  # the wash-out is not over
    "screen": HTTPStatus.CONFLICT,  # the screen must be checked first
    "consent": HTTPStatus.CONFLICT,  # another consent text must be agreed to first
    "closed": HTTPStatus.GONE,
    "withdrawn": HTTPStatus.GONE,
}


class ReadingsError(ValueError):
    """A refusal with its reason. Nothing was written."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = _STATUS[code]
