"""Keeps the tokens of invitation links out of every log: whoever reads a log must not be able to join."""

import logging
import re

_LINK = re.compile(r"(/join/)[^/\s\"'?]+")


def _hidden(value: object) -> object:
    return _LINK.sub(r"\1…", value) if isinstance(value, str) else value


class HideLinks(logging.Filter):
    """Replaces the token in a record's message, its arguments and its traceback's text."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _hidden(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(_hidden(argument) for argument in record.args)
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = _LINK.sub(r"\1…", record.exc_text)
        return True
