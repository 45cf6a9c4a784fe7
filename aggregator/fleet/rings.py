"""Who belongs to which ring: drawn once when a rollout is made, from its name and the devices' alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import msgspec

from aggregator.fleet.rollout import Member, Ring

MAX_RINGS = 20
NAMED_DEVICES = 5
"""So many are named in a message."""


class RingsRefused(msgspec.Struct, frozen=True):
    """The rings cannot be meant so; field: its path in the rollout, why: what to write instead."""

    field: str
    why: str


def draw(
    rollout: str,
    devices: Mapping[str, str],
    rings: Sequence[Ring],
    matching: Callable[[str], frozenset[str]],
) -> tuple[Member, ...] | RingsRefused:
    """Return each device with its ring, in the order of their names.

    devices: site by device. matching: the devices that a filter matches. A ring takes its percentage of the
    devices that match its filter and that no ring before it took, rounded down, and one device at least.
    """
    left = sorted(devices, key=lambda device_id: _place(rollout, device_id))
    members = []
    for number, ring in enumerate(rings):
        matched = matching(ring.filter) if ring.filter else None
        candidates = [each for each in left if matched is None or each in matched]
        if not candidates:
            return RingsRefused(
                f"rollout.rings[{number}].filter",
                f"ring {ring.name} has no device: none is left that it matches; change its filter or leave "
                "the ring out",
            )
        taken = set(candidates[: max(1, len(candidates) * ring.percent // 100)])
        members += [Member(each, devices[each], number) for each in taken]
        left = [each for each in left if each not in taken]
    if left:
        return RingsRefused(
            "rollout.rings",
            f"the rings leave {len(left)} of {len(devices)} devices out ({named(sorted(left))}): end with a "
            "ring of 100 percent without a filter, or narrow the rollout's filter",
        )
    return tuple(sorted(members, key=lambda member: member.device_id))


def named(device_ids: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = len(device_ids) - NAMED_DEVICES
    return ", ".join(device_ids[:NAMED_DEVICES]) + (f" and {more} more" if more > 0 else "")


def _place(rollout: str, device_id: str) -> bytes:
    """Return where a device stands in the draw: elsewhere in each rollout, so none is always first."""
    return hashlib.sha256(f"{rollout}\n{device_id}".encode()).digest()
