"""Finished numbers as bytes and back: dataclasses of numbers, texts and arrays, every bit of a float kept.

No pickle: only the dataclasses of this room and of the plan are made again, from their own fields.
"""

import dataclasses
import importlib
import io
import json
import math
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

HOMES = ("readerstudy.results.", "readerstudy.studies.plan")
TEXT = "text"
_AS_JSON = json.JSONEncoder().encode


class PackingError(ValueError):
    """Bytes that do not hold what this software's classes are made of."""


def pack(value: Any) -> bytes:
    """Raises: TypeError for what is neither a dataclass of ``HOMES`` nor plain."""
    packer = _Packer()
    content = packer.text(value)
    text = f'{{"classes":{json.dumps(packer.classes)},"value":{content}}}'.encode()
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
    """Compound values become lists whose first entry says what they are: a letter, or the number of a class.

    Written as JSON text at once: a hundred thousand small lists, made to be written and thrown away, would keep
    Python's garbage collector busy for longer than the writing takes.
    """

    def __init__(self) -> None:
        self.classes: list[tuple[str, str, list[str]]] = []
        self.arrays: dict[str, Any] = {}
        self._numbers: dict[type, int] = {}

    def text(self, value: Any) -> str:
        if type(value) is float and math.isfinite(value):  # nearly all there is
            return repr(value)
        if value is None or isinstance(value, bool | int | float | str):
            return _AS_JSON(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            number, names = self._class(type(value))
            return self._list(str(number), [getattr(value, name) for name in names])
        if isinstance(value, tuple):
            return self._list('"t"', value)
        if isinstance(value, list):
            return self._list('"l"', value)
        if isinstance(value, dict):
            return self._joined('"d"', [f"[{self.text(key)},{self.text(held)}]" for key, held in value.items()])
        if isinstance(value, np.generic):
            return self.text(value.item())
        if isinstance(value, np.ndarray):
            if value.dtype == object:
                raise TypeError("an array of objects has no place in a result")
            name = f"a{len(self.arrays)}"
            self.arrays[name] = value
            return f'["a","{name}"]'
        raise TypeError(f"{type(value).__name__} has no place in a result")

    def _list(self, kind: str, held: Iterable[Any]) -> str:
        return self._joined(kind, map(self.text, held))

    def _joined(self, kind: str, texts: Iterable[str]) -> str:
        return f"[{','.join([kind, *texts])}]"

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
