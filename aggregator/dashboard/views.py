"""From what the store holds to what the page says: words, shapes and tones; red is for devices alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from aggregator.holdings import Device, Enrolment, EnrolmentState, Overview, StoredEvent
from aggregator.records import COLLECTED_TWICE, Outcome
from trust.service import Answer

SHOWN_ID_CHARACTERS = 8  # enough to find a record again among the latest


class Look(msgspec.Struct, frozen=True):
    """How an outcome is shown: always a word, a shape and a tone (good, calm or care) together."""

    word: str
    shape: str
    tone: str


LOOKS = {
    Outcome.MATCH: Look("Match", "tick", "good"),
    Outcome.SUGGESTION: Look("Suggestion", "diamond", "calm"),
    Outcome.NO_MATCH: Look("No match", "circle", "calm"),
    Outcome.RETRY: Look("No usable sample", "again", "care"),
    Outcome.UNAVAILABLE: Look("Went to staff", "helper", "care"),
}
ANSWERS = {
    Answer.REGISTERED: Look("Registered", "tick", "good"),
    Answer.VISIT: Look("Visit token given", "tick", "good"),
    Answer.GIVEN: Look("Ration given", "tick", "good"),
    Answer.NOT_GIVEN: Look("Claim ended", "again", "calm"),
    Answer.ALREADY_COLLECTED: Look("Already collected", "circle", "calm"),
    Answer.DESK: Look("Went to the desk", "helper", "care"),
    Answer.PERSON: Look("A person took over", "helper", "care"),
}
_TWICE = Look("Collected twice", "helper", "care")
_MODES = {"verify": "1:1", "identify": "1:few"}


class Stamp(msgspec.Struct, frozen=True):
    """A time as people read it, and as ISO 8601."""

    text: str
    iso: str


class Count(msgspec.Struct, frozen=True):
    """One outcome, today and ever."""

    look: Look
    today: int
    total: int


class Link(msgspec.Struct, frozen=True):
    """Whether a device is connected, or why an operator's word is against it; tone: on, off or care."""

    word: str
    tone: str


_BARRED = {
    EnrolmentState.HELD: Link("on hold", "care"),
    EnrolmentState.PENDING: Link("waits for approval", "care"),
    EnrolmentState.REVOKED: Link("revoked", "off"),
    EnrolmentState.REPLACED: Link("revoked", "off"),
}


class DeviceRow(msgspec.Struct, frozen=True):
    """One line of the table of devices; faults are what is red."""

    device_id: str
    site: str
    link: Link
    last_seen: Stamp
    events_held: int
    missing: str
    version: str
    faults: tuple[str, ...]


class ResultRow(msgspec.Struct, frozen=True):
    """One line of the table of results; stages in milliseconds."""

    record: str
    time: Stamp
    clock_set: bool
    device_id: str
    look: Look
    note: str
    mode: str
    modalities: str
    tries: int
    score: str
    threshold: str
    stages: tuple[tuple[str, str], ...]
    total_ms: str


class Page(msgspec.Struct, frozen=True):
    """Everything that the page of results shows."""

    now: Stamp
    counts: tuple[Count, ...]
    results: tuple[ResultRow, ...]
    services: tuple[Count, ...] = ()


def make_page(overview: Overview, now_ns: int) -> Page:
    """Return the page for what is held now."""
    now = utc(now_ns)
    tallies = overview.tallies
    return Page(
        now=Stamp(f"{now:%H:%M:%S}", iso(now)),
        counts=tuple(
            Count(look, tallies.on_day.get(outcome.value, 0), tallies.total.get(outcome.value, 0))
            for outcome, look in LOOKS.items()
        ),
        results=tuple(_result(event, now) for event in overview.results),
        services=tuple(
            Count(look, tallies.on_day.get(word, 0), total)
            for word, look in [(answer.value, look) for answer, look in ANSWERS.items()]
            + [(COLLECTED_TWICE, _TWICE)]
            if (total := tallies.total.get(word, 0))
        ),
    )


def waiting_lines(enrolments: Sequence[Enrolment]) -> tuple[str, ...]:
    """Return who waits for an operator, a sentence each."""
    return tuple(map(_waiting, enrolments))


def _waiting(enrolment: Enrolment) -> str:
    who = f"{enrolment.device_id} at {enrolment.site}"
    if enrolment.state is EnrolmentState.HELD:
        return f"{who} was seen twice, as a copied or restored card is, and is on hold"
    return f"{who} asks to join with the key {enrolment.key_words}"


def device_row(device: Device, connected: bool, now: datetime) -> DeviceRow:
    """Return what to say of a device, of its link and of what is held of it."""
    last_seen = utc(device.last_seen_ns)
    return DeviceRow(
        device_id=device.device_id,
        site=device.site,
        link=link_of(connected, device.barred),
        last_seen=Stamp(ago((now - last_seen).total_seconds()), iso(last_seen)),
        events_held=device.events_held,
        missing=", ".join(filter(None, (ranges_text(outbox.missing) for outbox in device.outboxes))),
        version=device.software_version,
        faults=tuple(_faults(device)),
    )


def link_of(connected: bool, barred: EnrolmentState | None) -> Link:
    """Return what to say of a device's link; barred: as in Device."""
    # One that waits for its next approval is served while its certificate is good. Any other word counts from
    # its commit on, also while the stream that it ends is still being closed.
    if barred is not None and not (connected and barred is EnrolmentState.PENDING):
        return _BARRED[barred]
    return Link("connected", "on") if connected else Link("not connected", "off")


def _faults(device: Device) -> Sequence[str]:
    found = [f"{fault.part}: {fault.fault}" for fault in device.faults]
    if any(outbox.disputed or outbox.conflicts for outbox in device.outboxes):
        found.append("card copied, restored or damaged")
    found += [
        f"hash chain broken in events {ranges_text(outbox.breaks)}"
        for outbox in device.outboxes
        if outbox.breaks
    ]
    return found


def ranges_text(ranges: Sequence[tuple[int, int]]) -> str:
    """Return ranges of numbers as 4–5, 8."""
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in ranges)


def happening(event: StoredEvent) -> tuple[str, Look | None, str]:
    """Return what an event of any kind was: in a word, its look if it came to something, and more of it."""
    details = event.details
    what = event.kind.replace("_", " ")
    match event.kind:
        case "check_in":
            return what, LOOKS[Outcome(event.outcome)], (event.reason or "").replace("_", " ")
        case "service":
            return what, ANSWERS[Answer(event.outcome)], details.basis or ""
        case "device_fault":
            state = "came back" if details.recovered else "failed"
            return f"{details.part} {state}", None, details.fault or ""
        case "command_result":
            return (
                f"result: {details.command}",
                None,
                f"{details.command_outcome} {details.detail or ''}".strip(),
            )
        case "conflict":
            return what, _TWICE, ""
        case _:
            return what, None, (event.reason or details.concern or "").replace("_", " ")


def _result(event: StoredEvent, now: datetime) -> ResultRow:
    match event.kind:
        case "service":
            return _service(event, now)
        case "conflict":
            return _conflict(event, now)
        case _:
            return _check_in(event, now)


def _conflict(event: StoredEvent, now: datetime) -> ResultRow:
    places = [place.split() for place in event.details.collected or ()]
    return ResultRow(
        record=(event.record_id or b"").hex()[:SHOWN_ID_CHARACTERS],
        time=moment(utc(event.wall_ns), now),
        clock_set=event.clock_quality == "synchronised",
        device_id=event.device_id,
        look=_TWICE,
        note=", then ".join(f"{device} {time}" for device, time, _record in places),
        mode="distribution",
        modalities="",
        tries=0,
        score="",
        threshold="",
        stages=(),
        total_ms="",
    )


def _service(event: StoredEvent, now: datetime) -> ResultRow:
    details = event.details
    notes = (details.basis, event.reason, "biometrics declined" if details.declined else None)
    took_ns = details.duration_ns
    return ResultRow(
        record=(event.record_id or b"").hex()[:SHOWN_ID_CHARACTERS],
        time=moment(utc(event.wall_ns), now),
        clock_set=event.clock_quality == "synchronised",
        device_id=event.device_id,
        look=ANSWERS[Answer(event.outcome)],
        note=", ".join(filter(None, notes)),
        mode=details.workflow or "",
        modalities="",
        tries=len(details.check_ins or ()),
        score="",
        threshold="",
        stages=() if took_ns is None else (("greeting to answer", _ms(took_ns)),),
        total_ms="" if took_ns is None else _ms(took_ns),
    )


def _check_in(event: StoredEvent, now: datetime) -> ResultRow:
    details = event.details
    total_ns = sum(stage.duration_ns for stage in details.stages)
    return ResultRow(
        record=(event.record_id or b"").hex()[:SHOWN_ID_CHARACTERS],
        time=moment(utc(event.wall_ns), now),
        clock_set=event.clock_quality == "synchronised",
        device_id=event.device_id,
        look=LOOKS[Outcome(event.outcome)],
        note="confirmed by staff" if details.confirmed else (event.reason or "").replace("_", " "),
        mode=_MODES.get(event.mode or "", ""),
        modalities=" + ".join(details.modalities or ()),
        tries=event.tries or 0,
        score="" if event.score_llr is None else _number(event.score_llr),
        threshold=_threshold(event.score_llr, event.threshold_llr),
        stages=tuple((stage.stage, _ms(stage.duration_ns)) for stage in details.stages),
        total_ms=_ms(total_ns) if details.stages else "",
    )


def _threshold(score: float | None, threshold: float | None) -> str:
    if threshold is None:
        return ""
    if score is None:
        return f"threshold {_number(threshold)}"
    return f"{'above' if score >= threshold else 'below'} {_number(threshold)}"


def _number(value: float) -> str:
    return f"{value:.1f}".replace("-", "\N{MINUS SIGN}")


def _ms(duration_ns: int) -> str:
    return f"{duration_ns / 1e6:.1f}" if duration_ns < 10_000_000 else f"{duration_ns / 1e6:.0f}"


def utc(wall_ns: int) -> datetime:
    """Return a time in nanoseconds since 1970 as a datetime."""
    return datetime.fromtimestamp(wall_ns / 1e9, UTC)


def iso(time: datetime) -> str:
    """Return a time as 2026-01-31T08:00:00.000Z."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(time: datetime, now: datetime) -> Stamp:
    """Return a time of day for today, else with its date."""
    same_day = time.date() == now.date()
    return Stamp(f"{time:%H:%M:%S}" if same_day else f"{time:%Y-%m-%d %H:%M}", iso(time))


def ago(seconds: float) -> str:
    """Return how long ago something was, in its largest unit."""
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit_s:
            return f"{seconds / unit_s:.0f} {unit} ago"
    return f"{max(0, seconds):.0f} s ago"
