"""What can go wrong in this room, in a sentence for the person who asked."""


class ResultsError(Exception):
    """A result that cannot be computed or a picture that cannot be drawn; `status` is the HTTP status at the edge."""

    def __init__(self, message: str, *, status: int = 409) -> None:
        super().__init__(message)
        self.status = status
