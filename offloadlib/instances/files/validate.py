"""What holds for the files of every kind: types and ranges as the schema has them, ids, free data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from ..errors import Problem, place, shown
from .document import Document, walk
from .schema import BRANCHES

DEEPEST = 100
"""Levels of free data (``source``, ``run``): a file that can be read can also be written."""

_PLAIN = {
    "missing": "is missing",
    "extra_forbidden": "unknown key",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "string_type": "must be a string",
    "string_unicode": "must be Unicode text",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must be 64 hexadecimal digits in lower case",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}


def structure(model: type[BaseModel], document: Any, prefix: str = "") -> list[Problem]:
    """Types, keys and ranges, as the pydantic model has them."""
    try:
        model.model_validate(document)
    except ValidationError as error:
        details = error.errors(include_url=False)
        return [(place(prefix, _path(detail["loc"])), _plain(dict(detail))) for detail in details]
    return []


def _path(steps: tuple[int | str, ...]) -> Iterator[int | str]:
    """Without pydantic's names for the forms that a value may have."""
    return (step for step in steps if step not in BRANCHES)


def _plain(error: dict[str, Any]) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "missing":
        return _PLAIN[kind]
    if kind in ("too_short", "too_long"):
        wanted = context.get("min_length", context.get("max_length"))
        return "must not be empty" if wanted == 1 else f"must have {wanted} entries, not {len(value)}"
    if kind == "value_error":
        what = str(context["error"])
    elif kind == "literal_error":
        what = f"must be {context['expected'].replace(chr(39), chr(34))}"
    elif kind == "float_type" and isinstance(value, int) and not isinstance(value, bool):
        what = _PLAIN["finite_number"]  # a whole number beyond the range of binary64
    else:
        what = _PLAIN.get(kind, str(error["msg"]))
    return f"{what}, not {shown(value)}" if kind != "extra_forbidden" else what


def objects(document: Document, key: str) -> Iterator[tuple[int, Document]]:
    items = document.get(key)
    if isinstance(items, list):
        yield from ((i, item) for i, item in enumerate(items) if isinstance(item, dict))


def unique_ids(document: Document, *keys: str) -> Iterator[Problem]:
    """Ids in each of some lists name one thing each."""
    for key in keys:
        named = ((f"{key}[{i}]", item.get("id")) for i, item in objects(document, key))
        texts = ((where, name) for where, name in named if isinstance(name, str))
        yield from ((f"{where}.id", what) for where, what in duplicates(texts, "id "))


def duplicates(named: Iterable[tuple[str, str]], what: str = "") -> Iterator[Problem]:
    """Of (place, name) pairs those whose name another place has already."""
    first: dict[str, str] = {}
    for where, name in named:
        if name in first:
            yield where, f"duplicate {what}{shown(name)}, already used by {first[name]}"
        first.setdefault(name, where)


def free_data(document: Document) -> Iterator[Problem]:
    """``source`` and ``run`` are free, but they must be JSON: NaN and infinities are not."""
    for key in ("source", "run"):
        for path, value in walk(document.get(key)):
            if len(path) > DEEPEST:
                yield key, f"is nested more than {DEEPEST} levels deep"
                break
            if isinstance(value, float) and not math.isfinite(value):
                yield place(key, path), f"must be a finite number, not {shown(value)}"
