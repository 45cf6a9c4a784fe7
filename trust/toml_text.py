"""Writes TOML, which the standard library only reads, and lays tables over tables."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

Tables = dict[str, Any]
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(tables: Mapping[str, object]) -> str:
    """Return the text of a file: the values of each table, then its tables, in the order in which they are.

    A value is text, a number, a truth, a date, a list or tuple of such, or a table. Raises TypeError.
    """
    return "\n".join(_lines(tables, ())).strip() + "\n"


def merged(below: Tables, above: Tables) -> Tables:
    """Return tables laid over tables, key by key."""
    result = dict(below)
    for key, value in above.items():
        former = result.get(key)
        both = isinstance(former, dict) and isinstance(value, dict)
        result[key] = merged(former, value) if both else value  # type: ignore[arg-type]
    return result


def _lines(table: Mapping[str, object], path: tuple[str, ...]) -> list[str]:
    values = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    lines = []
    if path and (values or not table):
        lines += ["", f"[{'.'.join(map(_key, path))}]"]
    lines += [f"{_key(key)} = {_value(value)}" for key, value in values.items()]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += _lines(value, (*path, key))
    return lines


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _text(key)


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case int() | float():
            return repr(value)
        case datetime():
            return value.isoformat()
        case date():
            return value.isoformat()
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case _:
            raise TypeError(f"{type(value).__name__} is no value of a TOML file")


def _text(text: str) -> str:
    # JSON escapes what TOML does, but for the one control character that JSON takes as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
