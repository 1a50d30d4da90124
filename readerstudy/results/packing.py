"""Finished numbers as bytes and back: dataclasses of numbers, texts and arrays, every bit of a float kept.

No pickle: only the dataclasses of this room and of the plan are made again, from their own fields.
"""

import dataclasses
import importlib
import io
import json
import zlib
from typing import Any

import numpy as np

HOMES = ("readerstudy.results.", "readerstudy.studies.plan")
TEXT = "text"


class PackingError(ValueError):
    """Bytes that do not hold what this software's classes are made of."""


def pack(value: Any) -> bytes:
    """Raises: TypeError for what is neither a dataclass of ``HOMES`` nor plain."""
    packer = _Packer()
    content = packer.plain(value)
    text = json.dumps({"classes": packer.classes, "value": content}, separators=(",", ":")).encode()
    target = io.BytesIO()
    arrays: dict[str, Any] = {TEXT: np.frombuffer(zlib.compress(text, 1), np.uint8), **packer.arrays}
    np.savez(target, **arrays)
    return target.getvalue()


def unpack(content: bytes) -> Any:
    """What ``pack`` was given. Raises: PackingError where a class has other fields now, or the bytes are damaged."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            stored = json.loads(zlib.decompress(file[TEXT].tobytes()))
            arrays = {name: file[name] for name in file.files if name != TEXT}
        return _Unpacker([_class(*named) for named in stored["classes"]], arrays).value(stored["value"])
    except (KeyError, ValueError, TypeError, AttributeError, ImportError, OSError, zlib.error) as error:
        raise PackingError(f"{type(error).__name__}: {error}") from error


class _Packer:
    """Compound values become lists whose first entry says what they are: a letter, or the number of a class."""

    def __init__(self) -> None:
        self.classes: list[tuple[str, str, list[str]]] = []
        self.arrays: dict[str, Any] = {}
        self._numbers: dict[type, int] = {}

    def plain(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.generic):
            return self.plain(value.item())
        if isinstance(value, np.ndarray):
            if value.dtype == object:
                raise TypeError("an array of objects has no place in a result")
            name = f"a{len(self.arrays)}"
            self.arrays[name] = value
            return ["a", name]
        if isinstance(value, tuple):
            return ["t", *map(self.plain, value)]
        if isinstance(value, list):
            return ["l", *map(self.plain, value)]
        if isinstance(value, dict):
            return ["d", *([self.plain(key), self.plain(held)] for key, held in value.items())]
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            number, names = self._class(type(value))
            return [number, *(self.plain(getattr(value, name)) for name in names)]
        raise TypeError(f"{type(value).__name__} has no place in a result")

    def _class(self, kind: type) -> tuple[int, list[str]]:
        if kind not in self._numbers:
            if not kind.__module__.startswith(HOMES):
                raise TypeError(f"{kind.__module__}.{kind.__qualname__} has no place in a result")
            self._numbers[kind] = len(self.classes)
            names = [field.name for field in dataclasses.fields(kind)]
            self.classes.append((kind.__module__, kind.__qualname__, names))
        number = self._numbers[kind]
        return number, self.classes[number][2]


class _Unpacker:
    def __init__(self, classes: list[type], arrays: dict[str, Any]) -> None:
        self.classes, self.arrays = classes, arrays

    def value(self, content: Any) -> Any:
        if not isinstance(content, list):
            return content
        kind, held = content[0], content[1:]
        if isinstance(kind, int):
            return self.classes[kind](*map(self.value, held))
        if kind == "a":
            return self.arrays[held[0]]
        if kind == "d":
            return {self.value(key): self.value(one) for key, one in held}
        values = [self.value(one) for one in held]
        return tuple(values) if kind == "t" else values


def _class(module: str, name: str, names: list[str]) -> type:
    if not module.startswith(HOMES):
        raise PackingError(f"{module} holds no results")
    found = getattr(importlib.import_module(module), name)
    if [field.name for field in dataclasses.fields(found)] != names:
        raise PackingError(f"{module}.{name} has other fields now")
    return found
