"""What can go wrong in this room, as a sentence for a study coordinator."""

from http import HTTPStatus

from django.core.exceptions import ValidationError


class StudiesError(ValueError):
    """A refusal with its reason and its HTTP status. Nothing was changed."""

    def __init__(self, message: str, *, status: HTTPStatus = HTTPStatus.CONFLICT) -> None:
        super().__init__(message)
        self.status = status


def sentences(error: ValidationError) -> list[str]:
    """What a model's `clean_fields` found, each reason with the field's name."""
    return [f"{name}: {reason}" for name, reasons in error.message_dict.items() for reason in reasons]
