"""Whether a worker's clock is the one by which all workers of a store go: the database's."""

from __future__ import annotations

from aggregator.store.place import Place

MAX_AHEAD_S = 5.0
"""Or behind. With NTP it is some milliseconds; the shortest command lives for a minute."""


class ClockDiffers(Exception):
    """This machine's clock is not the database's; the message says what to do."""


def differs(ahead_s: float) -> bool:
    """Tell whether a clock that is so far ahead of the database's, or behind it, is another one."""
    return abs(ahead_s) > MAX_AHEAD_S


def refuse(ahead_s: float, store: Place) -> ClockDiffers:
    """Return why a worker with this clock does not serve."""
    which = "ahead of" if ahead_s > 0 else "behind"
    return ClockDiffers(
        f"this machine's clock is {abs(ahead_s):,.0f} s {which} that of the database server at {store}: set "
        "both by NTP (timedatectl set-ntp true), or workers judge certificates and commands differently"
    )
