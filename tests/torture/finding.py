"""What one fault was found to do, over all the times that it was tried."""

from __future__ import annotations

import statistics

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table in docs/reliability.md.

    tried: how often the fault struck. shown: events that were shown as done over all tries. wrong: what
    was lost, changed or doubled, one sentence each; empty is what is claimed. recoveries_s: from the end of
    the fault to what `recovered` names. bytes_per_event: sent and received per event, None where not counted.
    """

    fault: str
    tried: int
    shown: int
    wrong: tuple[str, ...]
    recoveries_s: tuple[float, ...] = ()
    recovered: str = ""
    bytes_per_event: float | None = None
    note: str = ""

    @property
    def median_s(self) -> float | None:
        return statistics.median(self.recoveries_s) if self.recoveries_s else None

    @property
    def max_s(self) -> float | None:
        return max(self.recoveries_s, default=None)
