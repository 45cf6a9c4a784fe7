"""What a person should know of: rules over what is known of the fleet at one moment. Pure.

`judge` first looks at each device by itself, then gathers: where a whole site is silent, or several of its
devices have the same trouble, that is one finding and not one for each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from aggregator.fleet.alerts import SILENCE, AlertKind, Finding, Observation, Seen, Severity
from aggregator.fleet.differences import Part, wilson
from aggregator.fleet.health import (
    HOT_DECIDEGREES,
    SENSORS,
    STORE_PERCENT,
    TURNED_AWAY,
    UNDER_VOLTAGE_NOW,
    missing_parts,
)
from aggregator.fleet.silence_rules import silence
from aggregator.fleet.tallies import ANSWERS, CLAIMS, COMPLAINTS, TURNED_TO_PEOPLE, WRONGLY_REFUSED
from aggregator.records import ClockQuality
from trust.service import Answer, Concern, Workflow

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
FRESH_S = 1.5 * HOUR_S
"""What telemetry says of people is about the time when it came."""
QUEUE = (20, 40)
WAIT_COMPLAINTS = (3, 10)
WRONG_REFUSALS = (0.05, 0.15)
"""Shares of who showed a face or a finger in seven days, held against the lower end of a 95 % interval."""
LEAST_CLAIMS = 20
CERTIFICATE_S = (8 * DAY_S, 2 * DAY_S)
"""Renewed at two thirds of 30 days, so with less than 10 days it was tried for two days."""
LEAST_DISK_MB = 200
THROTTLED_NOW = 0x4  # bit 2 of `vcgencmd get_throttled`
UNDER_VOLTAGE_BEFORE = 0x1_0000  # bit 16: since the boot
VERY_HOT_DECIDEGREES = 850  # the Pi's firmware throttles to the floor
PART_ADVICE = {
    "store": "its card lost pages and was mended, give it another one",
    "board": "look at its plug",
    "software": "the newer one on its card was damaged and an older one runs, give it another card",
}
SAME_TROUBLE = 3
"""So many devices of a site with the same trouble, at least half of them, are one finding."""
NOT_GATHERED = SILENCE | {AlertKind.ROLLOUT_STOPPED}

LOOKED_AT = (TURNED_TO_PEOPLE, ANSWERS[Workflow.DISTRIBUTION, Answer.NOT_GIVEN], COMPLAINTS[Concern.WAIT])
"""The sums that the rules ask for in `Seen.recent`."""
LOOKED_AT_WEEKLY = (CLAIMS, WRONGLY_REFUSED)
"""Those in `Seen.week`."""


def judge(seen: Observation) -> tuple[Finding, ...]:
    """Return what is so now, people first."""
    devices = [each for each in seen.devices if each.barred is None]
    findings = [*silence(devices), *_rollouts(seen), *_waiting_at_sites(devices)]
    for device in devices:
        findings += _of(device)
    order = list(AlertKind)
    worst: dict[tuple[AlertKind, str, str], Finding] = {}
    for finding in _gather(findings, Counter(device.site for device in devices)):
        before = worst.get(finding.subject)
        if before is None or finding.severity > before.severity:
            worst[finding.subject] = finding
    return tuple(sorted(worst.values(), key=lambda each: (order.index(each.kind), each.site, each.device_id)))


def _of(device: Seen) -> Iterator[Finding]:
    """Yield the findings about one device."""
    for rule in (
        _turned_away,
        _queue,
        _wrong_refusals,
        _parts,
        _clock,
        _store,
        _certificate,
        _numbers,
        _power,
    ):
        yield from rule(device)
    if device.refused:
        yield _finding(
            AlertKind.DESIRED_REFUSED, Severity.WARNING, device,
            f"{device.device_id} did not take up what is desired of it: {device.refused}",
        )  # fmt: skip


def _turned_away(device: Seen) -> Iterator[Finding]:
    turned = device.recent.get(TURNED_TO_PEOPLE, 0)
    empty_handed = device.recent.get(ANSWERS[Workflow.DISTRIBUTION, Answer.NOT_GIVEN], 0)
    severity = _level(max(turned, empty_handed), TURNED_AWAY)
    if severity is not None:
        told = [
            f"{turned} were left to staff since no device answered" if turned else "",
            f"{empty_handed} left with nothing handed over" if empty_handed else "",
        ]
        yield _finding(
            AlertKind.PEOPLE_TURNED_AWAY, severity, device,
            f"At {device.device_id} in two hours {' and '.join(filter(None, told))}: call the site.",
        )  # fmt: skip


def _queue(device: Seen) -> Iterator[Finding]:
    told = device.telemetry
    if told is None or told.queue is None or device.telemetry_age_s > FRESH_S:
        return
    severity = _level(told.queue, QUEUE)
    if severity is not None:
        yield _finding(
            AlertKind.PEOPLE_WAITING, severity, device,
            f"{told.queue} people wait at {device.device_id}: open another desk, or serve them on paper.",
        )  # fmt: skip


def _waiting_at_sites(devices: Iterable[Seen]) -> Iterator[Finding]:
    complaints: Counter[str] = Counter()
    for device in devices:
        complaints[device.site] += device.recent.get(COMPLAINTS[Concern.WAIT], 0)
    for site, count in complaints.items():
        severity = _level(count, WAIT_COMPLAINTS)
        if severity is not None:
            yield Finding(
                AlertKind.PEOPLE_WAITING, severity, "", site,
                f"{count} people at {site} complained of the wait in two hours: open another desk.",
            )  # fmt: skip


def _wrong_refusals(device: Seen) -> Iterator[Finding]:
    claims, refused = device.week.get(CLAIMS, 0), device.week.get(WRONGLY_REFUSED, 0)
    if claims < LEAST_CLAIMS:
        return
    low, high = wilson(Part(refused, claims))
    severity = Severity.URGENT if low > WRONG_REFUSALS[1] else Severity.WARNING
    if low > WRONG_REFUSALS[0]:
        yield _finding(
            AlertKind.WRONG_REFUSALS, severity, device,
            f"{device.device_id} did not recognise {refused} of {claims} people in seven days whom "
            f"supervisors let go on ({100 * low:.0f} to {100 * high:.0f} %): clean the sensors, look at the "
            "light, and try its self-test.",
        )  # fmt: skip


def _parts(device: Seen) -> Iterator[Finding]:
    missing = missing_parts(device.faults, device.telemetry)
    if not missing.parts:
        return
    if missing.nobody_is_recognised:
        do_next = "it recognises nobody, send another device"
    elif missing.parts & SENSORS:
        do_next = "look at its plug and cable"
    else:
        do_next = PART_ADVICE.get(min(missing.parts), "collect its diagnostics")
    nobody, what = missing.nobody_is_recognised, " and ".join(sorted(missing.parts))
    yield _finding(
        AlertKind.PART_MISSING, Severity.URGENT if nobody else Severity.WARNING, device,
        f"{device.device_id} reports a fault of its {what}: {do_next}.",
    )  # fmt: skip


def _clock(device: Seen) -> Iterator[Finding]:
    if device.clock_quality in (ClockQuality.UNSET, ClockQuality.WRONG):
        yield _finding(
            AlertKind.CLOCK_LOST, Severity.WARNING, device,
            f"The clock of {device.device_id} is {device.clock_quality.value}: lists and cards of a day may "
            "be refused; let it reach the aggregator, and change the battery of its clock.",
        )  # fmt: skip


def _store(device: Seen) -> Iterator[Finding]:
    told = device.telemetry
    if told is None:
        return
    severity = _level(told.store_used_percent, STORE_PERCENT)
    if severity is not None:
        stopped = " and registers nobody" if severity is Severity.URGENT else ""
        yield _finding(
            AlertKind.STORE_NEARLY_FULL, severity, device,
            f"The store of {device.device_id} is {told.store_used_percent} % full{stopped}: bring it to a "
            "link, or carry its records by hand.",
        )  # fmt: skip
    elif 0 < told.disk_free_mb < LEAST_DISK_MB:
        yield _finding(
            AlertKind.STORE_NEARLY_FULL, Severity.WARNING, device,
            f"The card of {device.device_id} has {told.disk_free_mb} MB left: collect diagnostics.",
        )  # fmt: skip


def _certificate(device: Seen) -> Iterator[Finding]:
    left_s = device.certificate_ends_in_s
    if left_s is None or left_s > CERTIFICATE_S[0]:
        return
    ended = left_s <= 0
    when = "has ended" if ended else f"ends in {left_s / DAY_S:.0f} days and was not renewed"
    severity = Severity.URGENT if left_s <= CERTIFICATE_S[1] and not ended else Severity.WARNING
    yield _finding(
        AlertKind.CERTIFICATE_ENDS, severity, device,
        f"The certificate of {device.device_id} {when}: bring it to where it reaches the aggregator, and "
        "look at its uplink.",
    )  # fmt: skip


def _numbers(device: Seen) -> Iterator[Finding]:
    if device.missing:
        yield _finding(
            AlertKind.NUMBERS_MISSING, Severity.WARNING, device,
            f"{device.missing} records of {device.device_id} are missing between those that came: keep the "
            "device and its card, and see `aidpost-aggregator missing`.",
        )  # fmt: skip


def _power(device: Seen) -> Iterator[Finding]:
    told = device.telemetry
    if told is None:
        return
    flags, heat = told.throttled or 0, told.cpu_decidegrees or 0
    if flags & (UNDER_VOLTAGE_NOW | UNDER_VOLTAGE_BEFORE):
        now = bool(flags & UNDER_VOLTAGE_NOW)
        yield _finding(
            AlertKind.UNDER_VOLTAGE, Severity.WARNING if now else Severity.NOTICE, device,
            f"{device.device_id} has too little voltage{'' if now else ', or had since it started'}: try "
            "another supply or cable; a card can be damaged.",
        )  # fmt: skip
    if heat >= HOT_DECIDEGREES or flags & THROTTLED_NOW:
        yield _finding(
            AlertKind.TOO_HOT, Severity.URGENT if heat >= VERY_HOT_DECIDEGREES else Severity.WARNING, device,
            f"{device.device_id} is {heat // 10} °C and slows down: give it shade and air.",
        )  # fmt: skip


def _rollouts(seen: Observation) -> Iterator[Finding]:
    if seen.stopped:
        told = "; ".join(f"{name}: {reason}" for name, reason in sorted(seen.stopped.items()))
        yield Finding(
            AlertKind.ROLLOUT_STOPPED, Severity.URGENT, "", "", f"Stopped by itself: rollout {told}"
        )


def _gather(findings: Iterable[Finding], devices_of: Counter[str]) -> Iterator[Finding]:
    """Yield one finding for several devices of a site with the same trouble, and the others as they are."""
    alike: defaultdict[tuple[AlertKind, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.kind in NOT_GATHERED or not finding.device_id:
            yield finding
        else:
            alike[finding.kind, finding.site].append(finding)
    for (kind, site), group in alike.items():
        if len(group) < SAME_TROUBLE or 2 * len(group) < devices_of[site]:
            yield from group
            continue
        worst = max(group, key=lambda each: each.severity)
        yield Finding(
            kind, worst.severity, "", site,
            f"{len(group)} of {devices_of[site]} devices of {site}: {kind.value}. One: {worst.sentence}",
        )  # fmt: skip


def _finding(kind: AlertKind, severity: Severity, device: Seen, sentence: str) -> Finding:
    return Finding(kind, severity, device.device_id, device.site, sentence)


def _level(value: int, limits: tuple[int, int]) -> Severity | None:
    if value >= limits[1]:
        return Severity.URGENT
    return Severity.WARNING if value >= limits[0] else None
