"""Dataclasses of arrays and numbers as npz files: bit by bit, and nothing that could be executed on reading."""

from __future__ import annotations

import io
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

import numpy as np

T = TypeVar("T")


def to_bytes(value: Any) -> bytes:
    """An uncompressed-name, compressed-data npz of a dataclass whose fields are arrays, numbers, flags or such dataclasses."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **_flat(value, ""))
    return stream.getvalue()


def _flat(value: Any, prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in fields(value):
        item = getattr(value, field.name)
        if is_dataclass(item):
            found |= _flat(item, f"{prefix}{field.name}.")
        else:
            found[prefix + field.name] = np.asarray(item)
    return found


def from_bytes(kind: type[T], content: bytes) -> T:
    """The dataclass that `to_bytes` wrote.

    Raises:
        KeyError: a field is not in the file.
        ValueError: the file holds objects instead of plain arrays.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return _built(kind, {k: stored[k] for k in stored.files}, "")


def _built(kind: type[T], stored: dict[str, Any], prefix: str) -> T:
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        hint = hints[field.name]
        if is_dataclass(hint):
            values[field.name] = _built(hint, stored, f"{prefix}{field.name}.")  # type: ignore[arg-type]
        else:
            item = stored[prefix + field.name]
            values[field.name] = hint(item.item()) if hint in {int, float, bool, str} else item
    return kind(**values)
