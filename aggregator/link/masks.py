"""Which fields a change is about, and that nothing else was meant."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from aggregator.link.refusing import bad_field


def paths_of(
    mask: FieldMask, message: Message, fields: Collection[str], maps: Collection[str] = ()
) -> set[str]:
    """Return the paths that a change is about: of these fields, or of one key of these maps.

    An empty mask is about every field that the message has set (AIP-134), "*" about all. Raises Refused.
    """
    known = {*fields, *maps}
    if not mask.paths:
        return {field.name for field, _ in message.ListFields()} & known
    if list(mask.paths) == ["*"]:
        return known
    for path in mask.paths:
        field, _, key = path.partition(".")
        if path not in known and not (field in maps and key):
            allowed = ", ".join((*sorted(known), *(f"{each}.NAME" for each in sorted(maps))))
            raise bad_field("update_mask", f"{path} cannot be changed here: write one of {allowed}")
    return set(mask.paths)


def changed_map(
    before: Mapping[str, str], asked: Mapping[str, str], paths: set[str], field: str
) -> dict[str, str]:
    """Return a map after a change that is about all of it, or about some of its keys."""
    if field in paths:
        return dict(asked)
    keys = {path[len(field) + 1 :] for path in paths if path.startswith(field + ".")}
    kept = {key: value for key, value in before.items() if key not in keys}
    return kept | {key: asked[key] for key in keys if key in asked}


def refuse_unknown(message: Message, path: str = "") -> None:
    """Raise Refused where the caller set a field that this version does not know: it would be lost."""
    found: Any = UnknownFieldSet(message)  # a sequence, which the stubs do not know
    unknown = [found[place].field_number for place in range(len(found))]
    if unknown:
        place = path or "the request"
        raise bad_field(
            place, f"it has a field (number {unknown[0]}) of a later version: update the aggregator first"
        )
    for field, value in message.ListFields():
        inner = f"{path}.{field.name}".lstrip(".")
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        parts: list[Any] = list(value) if hasattr(value, "append") or hasattr(value, "add") else [value]
        for part in parts:
            refuse_unknown(part, inner)
