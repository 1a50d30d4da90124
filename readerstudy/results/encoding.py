"""Results as JSON: the fields of the dataclasses under their own names; NaN is null, and a note says why."""

import json
import math
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def encode(value: Any) -> Any:
    """Plain JSON values. NaN and infinity become null: the note beside them says what they were.

    Raises: TypeError for what has no place in a result.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        # PostgreSQL gives the keys of a JSON field back in an order of its own.
        return {str(key): encode(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [encode(content) for content in value]
    if isinstance(value, np.ndarray | np.generic):
        return encode(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a result")


def to_json(value: Any) -> str:
    """The same value always gives the same text; numbers at full precision."""
    return json.dumps(encode(value), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
