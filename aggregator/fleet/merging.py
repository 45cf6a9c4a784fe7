"""Putting together what one device should be from what its scopes desire, field by field."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from aggregator.fleet.terms import Desire, ScopeKind
from trust.state import Artifact, DesiredState, ReportedState

_ORDER = {kind: number for number, kind in enumerate(ScopeKind)}


class Layer(msgspec.Struct, frozen=True):
    """What one scope desires; rank: of a group, 0 for the others."""

    desire: Desire
    rank: int = 0


class Merged(msgspec.Struct, frozen=True):
    """What is desired of a device, and where two groups of one rank contradict each other."""

    settings: dict[str, str]
    artifacts: tuple[Artifact, ...]
    remarks: tuple[str, ...]


def merge(layers: Iterable[Layer]) -> Merged:
    """Merge field by field: fleet < site < groups by rank, of equals the first by name < device."""
    fields: dict[str, tuple[Layer, str | Artifact]] = {}
    remarks = []
    for layer in sorted(layers, key=_place, reverse=True):
        for name, value in _fields(layer.desire):
            holder = fields.setdefault(name, (layer, value))
            if holder[1] != value and _place(holder[0])[:2] == _place(layer)[:2]:
                first, second = holder[0].desire.scope.subject, layer.desire.scope.subject
                remarks.append(
                    f"{name}: groups {first} and {second} desire different things at rank {layer.rank}; "
                    f"{first} holds by its name, give one a higher rank to decide"
                )
    # What was put first holds: the layers came from the device down to the fleet.
    settings = {
        name.removeprefix("settings."): value
        for name, (_, value) in sorted(fields.items())
        if isinstance(value, str)
    }
    artifacts = [value for _, value in fields.values() if isinstance(value, Artifact)]
    return Merged(settings, tuple(sorted(artifacts, key=lambda each: each.kind.value)), tuple(remarks))


def drift(desired: DesiredState, reported: ReportedState) -> tuple[str, ...]:
    """Return the fields of the desired state that the reported one does not show, by name."""
    in_use = {artifact.kind: artifact.digest for artifact in reported.artifacts}
    settings = [
        f"settings.{name}"
        for name, value in desired.settings.items()
        if not _same(value, reported.settings.get(name))
    ]
    artifacts = [
        f"artifacts.{artifact.kind.value}"
        for artifact in desired.artifacts
        if in_use.get(artifact.kind) != artifact.digest
    ]
    return tuple(sorted(settings + artifacts))


def _place(layer: Layer) -> tuple[int, int, tuple[int, ...]]:
    """Return where the layer stands; names count backwards, so that the first holds before the others."""
    backwards = tuple(-ord(letter) for letter in layer.desire.scope.subject)
    return _ORDER[layer.desire.scope.kind], layer.rank, (*backwards, 1)


def _fields(desire: Desire) -> Iterable[tuple[str, str | Artifact]]:
    for name, value in desire.settings.items():
        yield f"settings.{name}", value
    for artifact in desire.artifacts:
        yield f"artifacts.{artifact.kind.value}", artifact


def _same(one: str, other: str | None) -> bool:
    """Tell whether two JSON texts say the same; what is no JSON says nothing."""
    if one == other:
        return True
    try:
        first, second = msgspec.json.decode(one), msgspec.json.decode(other or "")
    except msgspec.DecodeError:
        return False
    # To Python 1 is true and 1.0 too; a device may write 3 as 3.0, but takes no number for a yes.
    return bool(first == second) and isinstance(first, bool) is isinstance(second, bool)
