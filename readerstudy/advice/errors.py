"""What can go wrong in this room. What a reader is refused is a ReadingsError of the room below."""

from http import HTTPStatus


class AdviceError(Exception):
    """The advice is due, but cannot be made: the sentence says why, for the log and for whoever runs the study."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
