"""What can go wrong in this room, in a sentence for the person who asked."""


class ScoringError(Exception):
    """A checkpoint, a request or a worker's report that cannot be accepted; the text names the culprit.

    `field` is the form field that it belongs to, if it is one's; `status` the HTTP status at the edge.
    """

    def __init__(self, message: str, *, field: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.field = field
        self.status = status
