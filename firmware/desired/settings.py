"""Which settings can be desired, and how they are laid over the appliance's own file.

They are the keys of the file that change how people are served. Keys, identity, sensors, addresses and whom
the appliance trusts are changed at the appliance alone: the desk could otherwise take it over, or lose it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import NoneType
from typing import Any, get_args

import msgspec

from firmware.config import Config
from trust.file_faults import explain
from trust.state import MAX_VALUE_BYTES, Refusal

_WHOLE_TABLES = ("session", "attack", "policy", "telemetry", "updates")
_SINGLE = (
    "gallery.daily_mb",
    "gallery.minutes",
    "inference.threads",
    "page.bystanders",
    "page.languages",
    "page.rest_min",
    "uplink.retry_cap_s",
)


class SettingsRefused(ValueError):
    """Settings that cannot be used here."""

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        super().__init__("; ".join(f"{each.field}: {each.reason}" for each in refusals))
        self.refusals = refusals


def _tables() -> dict[str, type[msgspec.Struct]]:
    """Return the tables of the file, also those that an appliance can be without."""
    found: dict[str, type[msgspec.Struct]] = {}
    for field in msgspec.structs.fields(Config):
        kinds = [kind for kind in (field.type, *get_args(field.type)) if kind is not NoneType]
        found[field.name] = next(kind for kind in kinds if isinstance(kind, type))
    return found


_TABLES = _tables()


def _types() -> dict[str, Any]:
    """Return the type of each setting that can be desired, as the file has it."""
    every = {
        f"{table}.{field.name}": field.type
        for table, kind in _TABLES.items()
        for field in msgspec.structs.fields(kind)
    }
    whole = [name for name in every if name.partition(".")[0] in _WHOLE_TABLES]
    return {name: every[name] for name in sorted((*whole, *_SINGLE))}


_TYPES = _types()
KNOWN_SETTINGS: tuple[str, ...] = tuple(_TYPES)
"""Their names, in order."""


def in_use(config: Config) -> dict[str, str]:
    """Return the settings that can be desired as `config` has them, JSON text by name; without its missing
    tables."""
    found: dict[str, str] = {}
    for name in KNOWN_SETTINGS:
        table, _, key = name.partition(".")
        if (part := getattr(config, table)) is not None:
            found[name] = msgspec.json.encode(getattr(part, key)).decode()
    return found


def laid_over(base: Config, settings: Mapping[str, str]) -> Config:
    """Return the configuration of the file with these settings in place of its own.

    Raises SettingsRefused, which names each that cannot be used.
    """
    refusals: list[Refusal] = []
    changes: dict[str, dict[str, Any]] = {}
    for name, text in settings.items():
        try:
            value = _value(base, name, text)
        except ValueError as error:
            refusals.append(Refusal(f"settings.{name}", str(error)))
            continue
        table, _, key = name.partition(".")
        changes.setdefault(table, {})[key] = value
    if refusals:
        raise SettingsRefused(tuple(refusals))
    tables = {
        table: msgspec.structs.replace(getattr(base, table), **values) for table, values in changes.items()
    }
    return msgspec.structs.replace(base, **tables)


def _value(base: Config, name: str, text: str) -> Any:
    """Return the value of a setting. Raises ValueError with what to do."""
    if name not in _TYPES:
        raise ValueError(_unknown(name))
    table, _, key = name.partition(".")
    if getattr(base, table) is None:
        raise ValueError(f"this appliance's file has no [{table}]: add that table there first")
    if len(text.encode()) > MAX_VALUE_BYTES:
        raise ValueError(f"its value is longer than {MAX_VALUE_BYTES} bytes")
    try:
        raw = msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise ValueError('its value is no JSON text: write it as 3, true, "text" or ["text"]') from None
    # A file of this one key alone, so that what is said of it is what would be said of the file.
    of_table = msgspec.defstruct(table, [(key, _TYPES[name])])
    file = msgspec.defstruct("File", [(table, of_table)])
    try:
        read = msgspec.convert({table: {key: raw}}, file)
    except msgspec.ValidationError as error:
        raise ValueError(f"{explain(str(error), file)}: desire another value") from error
    return getattr(getattr(read, table), key)


def _unknown(name: str) -> str:
    table, _, key = name.partition(".")
    if table in _TABLES and key in _TABLES[table].__struct_fields__:
        return "it is changed in the appliance's own file alone, by who stands before it: desire it no more"
    near = difflib.get_close_matches(name, KNOWN_SETTINGS, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else "reported.known_settings has those that there are"
    return f"this version has no such setting: {hint}"
