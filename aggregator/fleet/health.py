"""How a device is, in one word and in short sentences, from what is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from aggregator.fleet.terms import Health
from aggregator.holdings import EnrolmentState, OpenFault
from trust.state import DesiredResult, Refusal
from trust.telemetry import Telemetry

SECOND_NS = 1_000_000_000
LONGEST_SILENCE_NS = 7 * 24 * 3600 * SECOND_NS  # whatever a clock that jumped says: a week is not usual
USUAL_SILENCE_S = 12 * 3600.0  # a kit is switched off overnight; until its own pattern is known
LEAST_SILENCE_S = 3600.0  # a link that comes and goes is not silence
SILENCE_FACTOR = 2.0
SENSORS = frozenset({"fingerprint", "camera"})
TURNED_AWAY = (3, 10)
"""People, for a warning and for urgent; one alone may have met a reader that is back by now."""
STORE_PERCENT = (80, 90)
"""Of what it may take: telemetry is dropped, registration stops (docs/link.md)."""
HOT_DECIDEGREES = 800  # the Pi's firmware begins to throttle at 80 °C
UNDER_VOLTAGE_NOW = 0x1  # bit 0 of `vcgencmd get_throttled`
_BARRED = {
    EnrolmentState.PENDING: "waits for an operator's approval",
    EnrolmentState.HELD: "on hold: seen twice, as a copied card is",
    EnrolmentState.REVOKED: "revoked",
    EnrolmentState.REPLACED: "replaced by another key",
}


class MissingParts(msgspec.Struct, frozen=True):
    """Parts of a device that do not answer, and whether it recognises people without them."""

    parts: frozenset[str]
    nobody_is_recognised: bool


class Known(msgspec.Struct, frozen=True, gc=False):
    """What the word rests on.

    usual_silence_s: the longest of late, 0 where it is not known. doubt, result, refusals: of the newest
    report.
    """

    connected: bool
    silent_s: float
    usual_silence_s: float = 0.0
    barred: EnrolmentState | None = None
    faults: Sequence[OpenFault] = ()
    doubt: str = ""
    result: DesiredResult | None = None
    refusals: Sequence[Refusal] = ()
    telemetry: Telemetry | None = None
    remarks: Sequence[str] = ()


def usual_silence_ns(before_ns: int, silence_ns: int) -> int:
    """Return how long a device usually is silent, after one more silence: the longest of late.

    An eighth is forgotten with each hello: after five daily ones a weekend still counts for half.
    """
    return min(LONGEST_SILENCE_NS, max(silence_ns, before_ns - before_ns // 8))


def is_silent(connected: bool, silent_s: float, usual_silence_s: float) -> bool:
    """Tell whether a device has not been heard of for longer than it usually is silent."""
    usual_s = usual_silence_s or USUAL_SILENCE_S
    return not connected and silent_s > max(LEAST_SILENCE_S, SILENCE_FACTOR * usual_s)


def missing_parts(faults: Iterable[OpenFault], telemetry: Telemetry | None) -> MissingParts:
    """Return which parts do not answer, as faults and telemetry tell it."""
    sensors = () if telemetry is None else telemetry.sensors
    missing = {fault.part for fault in faults} | {each.part for each in sensors if not each.available}
    fitted = set(SENSORS) if telemetry is None else {each.part for each in sensors}
    nobody = "inference" in missing or (bool(fitted) and fitted <= missing)
    return MissingParts(frozenset(missing), nobody)


def judge(known: Known) -> tuple[Health, tuple[str, ...]]:
    """Return the word, and what is not as it should be, the worst first."""
    if known.barred is not None:
        return Health.BARRED, (_BARRED.get(known.barred, known.barred.value),)
    failing, warning = [], [f"{fault.part}: {fault.fault}" for fault in known.faults]
    missing = missing_parts(known.faults, known.telemetry)
    if missing.nobody_is_recognised:
        failing.append(f"nobody is recognised without {' and '.join(sorted(missing.parts))}")
    telemetry_failing, telemetry_warning = _of_telemetry(known.telemetry)
    failing += telemetry_failing
    warning += [*telemetry_warning, *_of_report(known), *known.remarks]
    if is_silent(known.connected, known.silent_s, known.usual_silence_s):
        return Health.SILENT, (f"silent for {_span(known.silent_s)}", *failing, *warning)
    if failing:
        return Health.FAILING, (*failing, *warning)
    return (Health.WARNING if warning else Health.WELL), tuple(warning)


def _of_telemetry(telemetry: Telemetry | None) -> tuple[list[str], list[str]]:
    if telemetry is None:
        return [], []
    failing, warning = [], []
    if telemetry.turned_to_people >= TURNED_AWAY[0]:
        failing.append(f"{telemetry.turned_to_people} people left with another path, no device answered")
    if telemetry.store_used_percent >= STORE_PERCENT[0]:
        warning.append(f"its store is {telemetry.store_used_percent} % full")
    if telemetry.throttled is not None and telemetry.throttled & UNDER_VOLTAGE_NOW:
        warning.append("under-voltage: try another supply or cable")
    if telemetry.cpu_decidegrees is not None and telemetry.cpu_decidegrees >= HOT_DECIDEGREES:
        warning.append(f"{telemetry.cpu_decidegrees // 10} °C: give it shade and air")
    warning += [f"{sensor.part}: the platen is dirty" for sensor in telemetry.sensors if sensor.dirty]
    return failing, warning


def _of_report(known: Known) -> list[str]:
    problems = [known.doubt] if known.doubt else []
    if known.result in (DesiredResult.REFUSED, DesiredResult.ROLLED_BACK):
        problems.append(f"what was desired was {known.result.value}")
        problems += [f"{refusal.field}: {refusal.reason}" for refusal in known.refusals]
    return problems


def _span(seconds: float) -> str:
    hours = int(seconds // 3600)
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"
