"""Whether what a device says of itself can be so: it is held against what it was given."""

from __future__ import annotations

from collections.abc import Mapping

from aggregator.fleet.merging import drift
from trust.state import DesiredResult, DesiredState, ReportedState


def doubt(report: ReportedState, given: Mapping[int, str], newest: DesiredState | None) -> str:
    """Return why the report cannot be believed as it stands, empty where it can.

    given: digest of each generation that the device was ever given. newest: the last of them, None before.
    """
    newest_generation = 0 if newest is None else newest.generation
    if report.generation > newest_generation:
        return (
            f"reports generation {report.generation}, was given {newest_generation} at most: the "
            "aggregator's store was restored, or the device is not what it says"
        )
    if report.digest and report.digest not in given.values():
        return "shows a desired state that it was never given: have the device looked at"
    if report.result is not DesiredResult.APPLIED:
        return ""
    if report.digest != given.get(report.generation, ""):
        return f"says that it applied generation {report.generation}, and shows another: have it looked at"
    if newest is not None and report.generation == newest.generation and (shown := drift(newest, report)):
        return f"says that it applied generation {report.generation}, and does not show {', '.join(shown)}"
    return ""
