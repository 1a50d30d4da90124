"""A file in answer to a request: what the result pages' figures and tables are saved as."""

from django.core.files.storage import default_storage
from django.http import FileResponse, HttpResponse

from readerstudy.results.files import StoredFile


def file_response(content: str | bytes, media_type: str, name: str, *, shown: bool = False) -> HttpResponse:
    """The content under a name of its own, to be saved; ``shown``: in the browser's window instead."""
    response = HttpResponse(content, content_type=media_type)
    response["Content-Disposition"] = f'{"inline" if shown else "attachment"}; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def stored_response(made: StoredFile, media_type: str, name: str, *, shown: bool = False) -> FileResponse:
    """The same of a file in storage."""
    content = default_storage.open(made.path, "rb")
    response = FileResponse(content, as_attachment=not shown, filename=name, content_type=media_type)
    response["X-Content-Type-Options"] = "nosniff"
    return response
