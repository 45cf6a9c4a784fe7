"""The vocabulary of events that both ends of the link share: when something was, and what came of it.

object.__hash__: members are one of a kind, and the hash of Enum is Python code, which counting check-ins
would call four times for each. gc=False: no cycles are possible, and parsing is a tenth faster.
"""

from __future__ import annotations

from enum import Enum, unique

import msgspec


@unique
class ClockQuality(Enum):
    """How far the wall clock of an appliance can be trusted.

    CHECKED and WRONG: held against the aggregator's clock since the boot, and found right or not.
    """

    __hash__ = object.__hash__

    UNSET = "unset"
    SYNCHRONISED = "synchronised"
    CHECKED = "checked"
    WRONG = "wrong"

    @property
    def is_set(self) -> bool:
        """Whether times of two boots can be compared by it."""
        return self in (ClockQuality.SYNCHRONISED, ClockQuality.CHECKED)


class Moment(msgspec.Struct, frozen=True, gc=False):
    """A point in time as an appliance knows it, without a trusted clock.

    boot_id: 16 bytes, random for each boot. monotonic_ns: nanoseconds since the boot.
    wall_ns: nanoseconds since 1970-01-01 UTC, as far as `quality` can be trusted.
    """

    boot_id: bytes
    monotonic_ns: int
    wall_ns: int
    quality: ClockQuality


@unique
class Mode(Enum):
    """How a probe meets the gallery."""

    __hash__ = object.__hash__

    VERIFY = "verify"
    IDENTIFY = "identify"


@unique
class Outcome(Enum):
    """What a check-in concluded."""

    __hash__ = object.__hash__

    MATCH = "match"
    NO_MATCH = "no match"
    SUGGESTION = "suggestion"
    RETRY = "retry"
    UNAVAILABLE = "unavailable"


@unique
class CommandKind(Enum):
    """What an operator can ask of an appliance."""

    SELF_TEST = "self-test"
    SYNC_NOW = "sync now"
    LOCK = "lock"
    RENEW_LEASE = "renew lease"
    RESTART = "restart"
    REBOOT = "reboot"
    WIPE = "wipe"
    COLLECT_DIAGNOSTICS = "collect diagnostics"
    OPEN_SUPPORT = "open support"
    TAIL_LOG = "tail log"
