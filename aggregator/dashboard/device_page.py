"""From what is held of one device to what its page says."""

from __future__ import annotations

from datetime import datetime

import msgspec

from aggregator.dashboard.fleet_page import HEALTH_LOOKS, untold
from aggregator.dashboard.plots import Plot, telemetry_plots
from aggregator.dashboard.views import (
    DeviceRow,
    Look,
    Stamp,
    ago,
    device_row,
    happening,
    iso,
    moment,
    ranges_text,
    utc,
)
from aggregator.holdings import Command
from aggregator.store.device_story import DeviceStory
from trust.state import DesiredResult
from trust.telemetry import SensorHealth, Telemetry

_THROTTLED = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
_RESULTS = {
    DesiredResult.WAITING: Look("Waits for files, its window or the queue", "clock", "calm"),
    DesiredResult.APPLIED: Look("Taken up", "tick", "good"),
    DesiredResult.REFUSED: Look("Refused, nothing was changed", "diamond", "care"),
    DesiredResult.ROLLED_BACK: Look("Rolled back after its self-test", "again", "care"),
}
_NOT_REPORTED = Look("Not reported yet", "circle", "calm")


class FieldRow(msgspec.Struct, frozen=True):
    """One field that is desired or reported; same: both are one; refusal: why the device did not take it."""

    name: str
    desired: str
    reported: str
    same: bool
    refusal: str


class CommandRow(msgspec.Struct, frozen=True):
    """One command and what became of it."""

    asked: Stamp
    kind: str
    asked_by: str
    state: str
    detail: str


class StoryRow(msgspec.Struct, frozen=True):
    """One thing that happened; at_ns orders the rows."""

    at_ns: int
    time: Stamp
    what: str
    look: Look | None
    note: str


class SensorRow(msgspec.Struct, frozen=True):
    """One sensor over the last period."""

    part: str
    state: str
    well: bool
    samples: int
    quality: str
    poor: str
    not_acquired: int
    restarts: int


class Fact(msgspec.Struct, frozen=True):
    """One value with its name; care: it wants looking after."""

    name: str
    value: str
    care: bool = False


class Lacking(msgspec.Struct, frozen=True):
    """Numbers of one outbox that are not held."""

    epoch: str
    count: int
    numbers: str


class BundleRow(msgspec.Struct, frozen=True):
    """One bundle of diagnostics; command: which the command line fetches it by."""

    received: Stamp
    megabytes: str
    command: str
    complete: bool


class DevicePage(msgspec.Struct, frozen=True):
    """Everything that the page shows."""

    row: DeviceRow
    look: Look
    first_seen: Stamp
    labels: tuple[tuple[str, str], ...]
    groups: tuple[str, ...]
    problems: tuple[str, ...]
    result: Look
    generation: str
    remarks: tuple[str, ...]
    fields: tuple[FieldRow, ...]
    measured: Stamp | None
    facts: tuple[Fact, ...]
    sensors: tuple[SensorRow, ...]
    stages: tuple[tuple[str, int, int, int], ...]
    plots: tuple[Plot, ...]
    commands: tuple[CommandRow, ...]
    story: tuple[StoryRow, ...]
    missing: tuple[Lacking, ...]
    bundles: tuple[BundleRow, ...]


def make_device_page(story: DeviceStory, now_ns: int) -> DevicePage:
    """Return the page for what is held now."""
    now, device = utc(now_ns), story.device
    first_seen = utc(device.first_seen_ns)
    row = device_row(story.held, device.connected, now)
    measured = None if story.latest is None else utc(story.latest.at_ns)
    telemetry = None if story.latest is None else story.latest.telemetry
    return DevicePage(
        row=row,
        look=HEALTH_LOOKS[device.health],
        first_seen=Stamp(f"{first_seen:%Y-%m-%d}", iso(first_seen)),
        labels=tuple(sorted(device.labels.items())),
        groups=device.groups,
        problems=untold(device.problems, row.faults),
        result=_NOT_REPORTED if device.reported is None else _RESULTS[device.reported.state.result],
        generation=_generation(story),
        remarks=() if device.desired is None else device.desired.remarks,
        fields=_fields(story),
        measured=None if measured is None else Stamp(ago((now - measured).total_seconds()), iso(measured)),
        facts=() if telemetry is None else _facts(telemetry, now_ns),
        sensors=() if telemetry is None else tuple(map(_sensor, telemetry.sensors)),
        stages=()
        if telemetry is None
        else tuple((each.stage, each.count, each.median_ms, each.p95_ms) for each in telemetry.stages),
        plots=telemetry_plots(story.points),
        commands=tuple(_command(each, now_ns) for each in story.commands),
        story=_story(story, now),
        missing=tuple(
            Lacking(each.epoch.hex()[:8], each.count, ranges_text(each.ranges[:20])) for each in story.missing
        ),
        bundles=tuple(
            BundleRow(
                moment(utc(each.received_ns), now),
                f"{each.total_bytes / 1e6:.1f}",
                each.command_id.hex(),
                each.complete,
            )
            for each in story.bundles
        ),
    )


def _generation(story: DeviceStory) -> str:
    desired, reported = story.device.desired, story.device.reported
    if desired is None:
        return "nothing is desired of it yet"
    said = 0 if reported is None else reported.state.generation
    if said == desired.state.generation:
        return f"generation {said}, which it has decided on"
    return f"generation {desired.state.generation}, it has decided on {said or 'none'}"


def _fields(story: DeviceStory) -> tuple[FieldRow, ...]:
    desired, reported = story.device.desired, story.device.reported
    wanted = {} if desired is None else _named(desired.state.settings, desired.state.artifacts)
    shown = {} if reported is None else _named(reported.state.settings, reported.state.artifacts)
    why = {} if reported is None else {each.field: each.reason for each in reported.state.refusals}
    # What is desired first; then what it refused beside that, as its self-test; what is as it came stays out.
    names = sorted(wanted) + sorted(why.keys() - wanted.keys())
    return tuple(
        FieldRow(
            name,
            wanted.get(name, ""),
            shown.get(name, ""),
            wanted.get(name) == shown.get(name),
            why.get(name, ""),
        )
        for name in names
    )


def _named(settings: dict[str, str], artifacts: tuple[object, ...]) -> dict[str, str]:
    named = {f"settings.{name}": value for name, value in settings.items()}
    for each in artifacts:
        named[f"artifacts.{each.kind.value}"] = f"{each.version} ({each.digest[:8]})"  # type: ignore[attr-defined]
    return named


def _facts(telemetry: Telemetry, now_ns: int) -> tuple[Fact, ...]:
    found = [Fact("Up for", _span(telemetry.uptime_s))]
    if telemetry.cpu_decidegrees is not None:
        found.append(
            Fact("Processor", f"{telemetry.cpu_decidegrees / 10:.1f} °C", telemetry.cpu_decidegrees >= 800)
        )
    if telemetry.throttled is not None:
        now = [word for bit, word in enumerate(_THROTTLED) if telemetry.throttled >> bit & 1]
        before = [word for bit, word in enumerate(_THROTTLED) if telemetry.throttled >> (16 + bit) & 1]
        text = ", ".join(now) or (f"fine now; since the boot: {', '.join(before)}" if before else "fine")
        found.append(Fact("Supply and speed", text, bool(now)))
    found += [
        Fact(
            "Memory", f"{telemetry.memory_resident_mb} MB resident, {telemetry.memory_available_mb} available"
        ),
        Fact("Disk", f"{telemetry.disk_free_mb} MB free"),
        Fact(
            "Store",
            f"{telemetry.store_used_percent} % of what it may take",
            telemetry.store_used_percent >= 85,
        ),
        Fact("Events that wait", str(telemetry.waiting)),
    ]
    if telemetry.disk_life_used_percent is not None:
        found.append(
            Fact("Card worn", f"{telemetry.disk_life_used_percent} %", telemetry.disk_life_used_percent >= 80)
        )
    if telemetry.queue is not None:
        found.append(Fact("People in the queue", str(telemetry.queue)))
    if telemetry.turned_to_people:
        found.append(
            Fact("Left with another path", f"{telemetry.turned_to_people}, no device answered", care=True)
        )
    if telemetry.certificate_ends_s:
        days = (telemetry.certificate_ends_s - now_ns // 1_000_000_000) // 86_400
        found.append(Fact("Certificate", f"ends in {days} days", days < 14))
    return tuple(found)


def _sensor(sensor: SensorHealth) -> SensorRow:
    state = "answers" if sensor.available else "does not answer"
    return SensorRow(
        sensor.part,
        f"{state}, platen dirty" if sensor.dirty else state,
        sensor.available and not sensor.dirty,
        sensor.samples,
        f"{sensor.quality_sum_percent / sensor.samples:.0f} %" if sensor.samples else "–",
        f"{100 * sensor.poor / sensor.samples:.0f} %" if sensor.samples else "–",
        sensor.not_acquired,
        sensor.restarts,
    )


def _command(command: Command, now_ns: int) -> CommandRow:
    asked = utc(command.asked_ns)
    return CommandRow(
        moment(asked, utc(now_ns)),
        command.kind,
        command.asked_by,
        _state(command, now_ns),
        command.detail or "",
    )


def _state(command: Command, now_ns: int) -> str:
    if command.outcome is not None:
        return command.outcome
    if command.expires_ns <= now_ns:
        return "expired without a result"
    return "waits for the device" if command.delivered_ns is None else "delivered"


def _story(story: DeviceStory, now: datetime) -> tuple[StoryRow, ...]:
    rows = [
        StoryRow(event.wall_ns, moment(utc(event.wall_ns), now), *happening(event)) for event in story.events
    ]
    rows += [
        StoryRow(
            command.asked_ns,
            moment(utc(command.asked_ns), now),
            f"asked: {command.kind}",
            None,
            f"by {command.asked_by}",
        )
        for command in story.commands
    ]
    rows.sort(key=lambda row: row.at_ns, reverse=True)
    return tuple(rows)


def _span(seconds: int) -> str:
    return ago(seconds).removesuffix(" ago")
