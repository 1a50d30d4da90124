"""A file in answer to a request: what the result pages' figures and tables are saved as."""

from django.http import HttpResponse


def file_response(content: str | bytes, media_type: str, name: str, *, shown: bool = False) -> HttpResponse:
    """The content under a name of its own, to be saved; ``shown``: in the browser's window instead."""
    response = HttpResponse(content, content_type=media_type)
    response["Content-Disposition"] = f'{"inline" if shown else "attachment"}; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
