"""What msgspec says of a configuration, in words that say what to do."""

from __future__ import annotations

import difflib
import re
from typing import get_args

import msgspec

_IDENTIFIER_IN_WORDS = (
    "Expected `str` matching regex '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'",
    "Expected letters, digits and . _ - (63 at most, a letter or digit first)",
)
_WRONG_CHOICE = re.compile(r"Invalid enum value .* - at `\$\.(?P<key>[a-z_.]+)(?:\[[.\d]+\])?`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`(?: - at `\$\.?(?P<table>[^`]*)`)?")


def explain(message: str, root: type[msgspec.Struct]) -> str:
    """Turn msgspec's sentence into one that says what to do; an unknown key gets the nearest known one.

    root: the type of the whole file.
    """
    unknown = _UNKNOWN.search(message)
    if message == "Object missing required field `keys`":
        return 'there is no [keys] table: add one with guard = "tpm", "otp", "pin", or "file" for development'
    if unknown is None:
        plain = message.replace("`$.", "`").replace("Object", "Table")
        return f"{plain}{_choices(message, root)}".replace(*_IDENTIFIER_IN_WORDS)
    key, table = unknown["key"], unknown["table"] or ""
    where = f"[{table}]" if table else "the top level"
    known = _keys_of(table, root)
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else "known keys: " + ", ".join(known)
    return f"unknown key `{key}` in {where}: {hint}"


def _choices(message: str, root: type[msgspec.Struct]) -> str:
    """Return what a key may say, when the message is about a key that has only so many values."""
    wrong = _WRONG_CHOICE.search(message)
    if wrong is None:
        return ""
    table, _, key = wrong["key"].rpartition(".")
    kinds = {field.encode_name: field.type for field in msgspec.structs.fields(_table_at(table, root))}
    schema = msgspec.json.schema(kinds[key])
    schema = schema.get("items", next(iter(schema.get("$defs", {}).values()), schema))
    return ": one of " + ", ".join(f'"{choice}"' for choice in schema["enum"])


def _table_at(path: str, root: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Return the type of a table from its dotted name; the whole file has the empty one."""
    table = root
    for key in path.split(".") if path else ():
        kind = next(field.type for field in msgspec.structs.fields(table) if field.encode_name == key)
        table = next(
            one
            for one in (kind, *get_args(kind))
            if isinstance(one, type) and issubclass(one, msgspec.Struct)
        )
    return table


def _keys_of(table: str, root: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(_table_at(table, root))]
