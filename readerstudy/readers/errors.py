"""What can go wrong in this room, as a sentence for the person who reads it."""

from http import HTTPStatus


class ReadersError(ValueError):
    """A refusal with its reason and its HTTP status. Nothing was changed."""

    def __init__(self, message: str, *, status: HTTPStatus = HTTPStatus.CONFLICT, contact: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.contact = contact  # whom the person can ask, where that is known
