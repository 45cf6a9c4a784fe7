"""What is worth a person's attention, and that a site which loses its link is one thing and not forty."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from aggregator.fleet.alert_rules import judge
from aggregator.fleet.alerts import AlertKind, Finding, Observation, Seen, Severity
from aggregator.fleet.health import is_silent, usual_silence_ns
from aggregator.fleet.heard import HOUR_NS, WEEK_H, Heard, Missed, knows_pattern, missed
from aggregator.fleet.tallies import CLAIMS, TURNED_TO_PEOPLE, WRONGLY_REFUSED
from aggregator.holdings import EnrolmentState, OpenFault
from aggregator.records import ClockQuality
from tests.kit.telemetry_values import QUIET

MISSED = Missed(4000.0, 2700.0)
CAMERA = OpenFault("camera", "SensorTimeout", 0)
BROWNED_OUT = replace(QUIET, throttled=1 << 16)
READER = OpenFault("fingerprint", "SensorUnavailable", 0)
STORE = OpenFault("store", "StoreDamaged", 0)
WELL = Seen("kit-1", "north", connected=True, telemetry=QUIET, clock_quality=ClockQuality.CHECKED)
NOW_HOUR = 2_900 * WEEK_H + 10  # a Thursday, 10:00


def found(*devices: Seen, stopped: Mapping[str, str] | None = None) -> tuple[Finding, ...]:
    return judge(Observation(devices, stopped or {}))


def kinds(*devices: Seen) -> list[tuple[AlertKind, Severity, str, str]]:
    return [(each.kind, each.severity, each.device_id, each.site) for each in found(*devices)]


def test_a_device_that_is_well_is_no_finding() -> None:
    assert found(WELL) == ()


@pytest.mark.parametrize(
    ("device", "kind", "severity"),
    [
        (replace(WELL, recent={TURNED_TO_PEOPLE: 3}), AlertKind.PEOPLE_TURNED_AWAY, Severity.WARNING),
        (replace(WELL, recent={TURNED_TO_PEOPLE: 10}), AlertKind.PEOPLE_TURNED_AWAY, Severity.URGENT),
        (
            replace(WELL, recent={"answer/distribution/claim expired, nothing handed over": 4}),
            AlertKind.PEOPLE_TURNED_AWAY,
            Severity.WARNING,
        ),
        (replace(WELL, telemetry=replace(QUIET, queue=40)), AlertKind.PEOPLE_WAITING, Severity.URGENT),
        (replace(WELL, week={CLAIMS: 100, WRONGLY_REFUSED: 12}), AlertKind.WRONG_REFUSALS, Severity.WARNING),
        (replace(WELL, faults=(CAMERA,)), AlertKind.PART_MISSING, Severity.WARNING),
        (replace(WELL, faults=(STORE,)), AlertKind.PART_MISSING, Severity.WARNING),
        (replace(WELL, faults=(CAMERA, READER)), AlertKind.PART_MISSING, Severity.URGENT),
        (replace(WELL, clock_quality=ClockQuality.UNSET), AlertKind.CLOCK_LOST, Severity.WARNING),
        (
            replace(WELL, telemetry=replace(QUIET, store_used_percent=91)),
            AlertKind.STORE_NEARLY_FULL,
            Severity.URGENT,
        ),
        (replace(WELL, certificate_ends_in_s=86_400.0), AlertKind.CERTIFICATE_ENDS, Severity.URGENT),
        (replace(WELL, missing=2), AlertKind.NUMBERS_MISSING, Severity.WARNING),
        (replace(WELL, telemetry=replace(QUIET, throttled=0x1)), AlertKind.UNDER_VOLTAGE, Severity.WARNING),
        (replace(WELL, telemetry=BROWNED_OUT), AlertKind.UNDER_VOLTAGE, Severity.NOTICE),
        (replace(WELL, telemetry=replace(QUIET, cpu_decidegrees=860)), AlertKind.TOO_HOT, Severity.URGENT),
        (replace(WELL, refused="session.tries: 9 is too many"), AlertKind.DESIRED_REFUSED, Severity.WARNING),
        (replace(WELL, connected=False, silent=MISSED), AlertKind.DEVICE_SILENT, Severity.WARNING),
    ],
)  # fmt: skip
def test_each_trouble_is_a_finding_with_a_sentence_that_says_what_to_do(
    device: Seen, kind: AlertKind, severity: Severity
) -> None:
    (finding,) = found(device)
    assert (finding.kind, finding.severity, finding.device_id) == (kind, severity, "kit-1")
    assert "kit-1" in finding.sentence
    assert len(finding.sentence) < 220


def test_few_people_and_wide_intervals_are_no_finding() -> None:
    assert not found(replace(WELL, week={CLAIMS: 19, WRONGLY_REFUSED: 12}))
    assert not found(replace(WELL, week={CLAIMS: 60, WRONGLY_REFUSED: 5})), "8 %, but from 4 to 18"
    assert not found(replace(WELL, recent={TURNED_TO_PEOPLE: 2}))
    assert not found(replace(WELL, telemetry=replace(QUIET, queue=50), telemetry_age_s=7200.0))


def test_people_come_first() -> None:
    trouble = replace(WELL, missing=1, recent={TURNED_TO_PEOPLE: 5}, week={CLAIMS: 50, WRONGLY_REFUSED: 20})
    assert [kind for kind, *_ in kinds(trouble)] == [
        AlertKind.PEOPLE_TURNED_AWAY,
        AlertKind.WRONG_REFUSALS,
        AlertKind.NUMBERS_MISSING,
    ]


def test_a_site_that_loses_its_link_is_one_finding() -> None:
    site = [
        replace(WELL, device_id=f"kit-{number}", connected=False, silent=MISSED, silent_s=4000.0)
        for number in range(40)
    ]
    assert kinds(*site) == [(AlertKind.SITE_SILENT, Severity.URGENT, "", "north")]
    one_speaks = [replace(site[0], connected=True, silent=None), *site[1:3]]
    assert [each[2] for each in kinds(*one_speaks)] == ["kit-1", "kit-2"]


def test_a_few_of_a_site_are_silent_each_by_itself() -> None:
    silent = [Seen(f"kit-{number}", "north", connected=False, silent=MISSED) for number in (1, 2)]
    away = [Seen(f"kit-{number}", "north", connected=False, silent=Missed(0.0, 2700.0)) for number in (3, 4)]
    assert kinds(*silent, *away) == [(AlertKind.SITE_SILENT, Severity.URGENT, "", "north")]
    away.append(Seen("kit-5", "north", connected=False, silent=Missed(0.0, 2700.0)))
    assert {each[:3] for each in kinds(*silent, *away)} == {
        (AlertKind.DEVICE_SILENT, Severity.WARNING, "kit-1"),
        (AlertKind.DEVICE_SILENT, Severity.WARNING, "kit-2"),
    }


@pytest.mark.parametrize(
    ("usual_s", "silent_s", "silent"),
    [
        (600.0, 3599.0, False),  # an hour is no silence, whatever is usual
        (600.0, 3601.0, True),
        (7200.0, 14_399.0, False),
        (7200.0, 14_401.0, True),
        (0.0, 86_399.0, False),  # nothing is known yet: a night is usual
        (0.0, 86_401.0, True),
    ],
)
def test_silent_is_twice_what_is_usual(usual_s: float, silent_s: float, silent: bool) -> None:
    assert is_silent(False, silent_s, usual_s) is silent
    assert not is_silent(True, silent_s, usual_s)


def test_what_was_usual_is_forgotten_bit_by_bit() -> None:
    weekend = 60 * HOUR_NS
    after_a_week = weekend
    for _ in range(7):
        after_a_week = usual_silence_ns(after_a_week, HOUR_NS)
    assert 0.3 * weekend < after_a_week < 0.5 * weekend
    assert usual_silence_ns(after_a_week, weekend) == weekend
    assert usual_silence_ns(0, 10**6 * HOUR_NS) == 7 * 24 * HOUR_NS


def test_most_of_the_fleet_at_once_is_one_finding_about_the_aggregator() -> None:
    fleet = [
        replace(WELL, device_id=f"kit-{number}", site=f"site-{number % 20}", connected=False, silent=MISSED)
        for number in range(200)
    ]
    (finding,) = found(*fleet)
    assert (finding.kind, finding.site) == (AlertKind.SITE_SILENT, "")
    assert "this aggregator's own network" in finding.sentence
    long_gone = [replace(each, silent_s=30 * 86_400.0) for each in fleet]
    assert len(found(*long_gone)) == 20, "kits that went home are their sites' trouble"


def test_the_same_trouble_at_several_devices_of_a_site_is_one_finding() -> None:
    hot = [
        replace(WELL, device_id=f"kit-{number}", telemetry=replace(QUIET, cpu_decidegrees=800 + number))
        for number in range(4)
    ]
    assert kinds(*hot) == [(AlertKind.TOO_HOT, Severity.WARNING, "", "north")]
    assert len(kinds(*hot[:2])) == 2
    elsewhere = [replace(WELL, device_id=f"other-{number}") for number in range(10)]
    assert len(kinds(*hot, *elsewhere)) == 4, "4 of 14 are each by itself"


def test_who_is_barred_is_nobodys_alert_and_stopped_rollouts_are_told_together() -> None:
    assert not found(replace(WELL, connected=False, silent=MISSED, barred=EnrolmentState.REVOKED))
    (finding,) = found(stopped={"b": "2 of 5 refused.", "a": "Worse for people."})
    assert finding.kind is AlertKind.ROLLOUT_STOPPED
    assert "a: Worse for people.; b: 2 of 5 refused." in finding.sentence


def office_hours(weeks: int, *, until: int = NOW_HOUR) -> Heard:
    """Heard of from 8:00 to 16:00 on the first five days of each week."""
    heard = Heard()
    for hour in range(until - weeks * WEEK_H, until):
        if hour % WEEK_H // 24 < 5 and 8 <= hour % 24 < 16:
            heard.add(hour)
    return heard


def always(weeks: int = 6) -> Heard:
    heard = Heard()
    for hour in range(NOW_HOUR - weeks * WEEK_H, NOW_HOUR + 1):
        heard.add(hour)
    return heard


def silent_for(device: Heard, aggregator: Heard, since_hour: float, now_hour: float) -> Missed:
    return missed(device, aggregator, int(since_hour * HOUR_NS), int(now_hour * HOUR_NS), 0)


def test_a_night_and_a_weekend_are_no_silence_and_an_hour_of_a_working_day_is() -> None:
    device = office_hours(4, until=NOW_HOUR - NOW_HOUR % WEEK_H)  # until the beginning of this week
    monday = NOW_HOUR - NOW_HOUR % WEEK_H
    friday_evening = monday - 3 * 24 + 16
    assert knows_pattern(device, NOW_HOUR)
    assert not silent_for(device, always(), friday_evening, monday + 8.5).too_much
    late = silent_for(device, always(), friday_evening, monday + 8.8)
    assert (round(late.expected_s), late.too_much) == (2880, True)


def test_what_a_device_misses_often_is_allowed_and_one_outage_is_not() -> None:
    once, twice = office_hours(4), office_hours(4)
    two_weeks_ago, last_week = NOW_HOUR - 2 * WEEK_H, NOW_HOUR - WEEK_H + 24
    for device, outages in ((once, [two_weeks_ago]), (twice, [two_weeks_ago, last_week])):
        for hour in (began + hours for began in outages for hours in range(3)):
            device.weeks[hour // WEEK_H] &= ~(1 << hour % WEEK_H)
    assert silent_for(once, always(), NOW_HOUR - 1, NOW_HOUR).allowed_s == 45 * 60
    assert silent_for(twice, always(), NOW_HOUR - 1, NOW_HOUR).allowed_s == 1.5 * 3 * 3600


def test_time_in_which_the_aggregator_did_not_listen_does_not_count() -> None:
    device, aggregator = always(5), always()
    down = range(NOW_HOUR - 6, NOW_HOUR)
    for hour in (*down, NOW_HOUR):
        aggregator.weeks[hour // WEEK_H] &= ~(1 << hour % WEEK_H)
    since_ns, now_ns = (NOW_HOUR - 6) * HOUR_NS, NOW_HOUR * HOUR_NS + HOUR_NS // 2
    begun_ns = NOW_HOUR * HOUR_NS + HOUR_NS // 3
    assert missed(device, aggregator, since_ns, now_ns, begun_ns).expected_s == 600
