"""Why a decision was what it was, from the audit log and the record while it is kept; no biometrics needed.

A decision is named by its number ("12" or "record 12", as the commands print it), by the id of its record in
hex while that is kept here, or by the row of the log ("#15"), which also finds those of a former epoch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from firmware.records import CheckIn, ClockQuality, Event, Moment, Outcome, Service
from firmware.session.attempts import DELAY_S, MOST_IN_A_ROW
from firmware.store.audit import AuditBroken, AuditEntry
from firmware.store.events import decoded
from firmware.store.trail import Trail
from inference.operating_point import STRENGTH_MEANING, Strength

_NUMBER = re.compile(r"(?:(?:record|decision|event|number) )?(?P<seq>[0-9]{1,18})")
_ROW = re.compile(r"#[0-9]{1,18}")
_RECORD = re.compile(r"[0-9a-f]{8,32}")


class NotInLog(LookupError):
    """The log has no such decision; the message says what can be named."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the log. number: its own. epoch_now: its event is one of the present epoch."""

    number: int
    entry: AuditEntry
    chain: bytes
    epoch_now: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an explanation: what it is about, and what is known of it."""

    about: str
    said: str


def rows(trail: Trail) -> Iterator[Row]:
    """Yield the rows that can be read, in order; `Trail.check` says whether they hold."""
    for number, data, chain in trail.rows:
        try:
            entry = msgspec.msgpack.decode(data, type=AuditEntry)
        except msgspec.DecodeError:
            return
        yield Row(number, entry, chain, number > trail.head.began_at)


def find(trail: Trail, wanted: str) -> Row:
    """Return the row of a decision. Raises NotInLog."""
    if _ROW.fullmatch(wanted):
        found = next((row for row in rows(trail) if row.number == int(wanted[1:])), None)
    elif number := _NUMBER.fullmatch(wanted):
        found = _of_event(trail, int(number["seq"]))
    elif _RECORD.fullmatch(wanted.lower()):
        found = _of_record(trail, wanted.lower())
    else:
        raise NotInLog(
            f"{wanted!r} names no decision: give its number, as 12, the id of its record, or a row, as #15"
        )
    if found is None:
        raise NotInLog(
            f"{wanted} is not found: the log of {trail.head.device_id} has {len(trail.rows)} rows and "
            f"{trail.head.last_seq} numbers; records are found by their id only while they are kept here"
        )
    return found


def explain(trail: Trail, wanted: str) -> tuple[Line, ...]:
    """Return the explanation of one decision, its proof last. Raises NotInLog."""
    row = find(trail, wanted)
    event = _kept(trail, row)
    return (
        *_what(row),
        *(_check_in(row.entry, event) if row.entry.act == "check-in" else _facts(row.entry)),
        *_record(trail, row, event),
        *_proof(trail, row),
    )


def when(moment: Moment) -> str:
    """Return a moment in UTC, with what its clock was worth."""
    worth = {
        ClockQuality.UNSET: "the clock had not been set",
        ClockQuality.SYNCHRONISED: "clock synchronised",
        ClockQuality.CHECKED: "clock checked against the aggregator's",
        ClockQuality.WRONG: "the clock was found wrong",
    }
    at = datetime.fromtimestamp(moment.wall_ns // 1_000_000_000, UTC)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC ({worth[moment.quality]})"


def _of_event(trail: Trail, seq: int) -> Row | None:
    return next((row for row in rows(trail) if row.epoch_now and row.entry.seq == seq), None)


def _of_record(trail: Trail, record_id: str) -> Row | None:
    found = []
    for row in rows(trail):
        event = _kept(trail, row)
        own = getattr(event.body, "record_id", b"") if event is not None else b""
        if own and own.hex().startswith(record_id):
            found.append(row)
    if len(found) > 1:
        raise NotInLog(f"{record_id} begins the ids of {len(found)} records: give more of it")
    return found[0] if found else None


def _kept(trail: Trail, row: Row) -> Event | None:
    if row.entry.seq is None or not row.epoch_now:
        return None
    data = trail.record(row.entry.seq)
    return decoded(row.entry.seq, data) if data is not None else None


def _what(row: Row) -> Iterator[Line]:
    entry = row.entry
    name = f"event {entry.seq}" if entry.seq is not None else "no event"
    yield Line("Decision", f"{entry.act}, row {row.number} of the log, {name}")
    yield Line("Purpose", entry.purpose.value)


def _check_in(entry: AuditEntry, event: Event | None) -> Iterator[Line]:
    facts = entry.facts
    one_to_one = facts["mode"] == "verify"
    yield Line("When", _span(facts.get("began", ""), entry.moment))
    size = facts["gallery size"]
    yield Line(
        "Compared with",
        f"the {size} entries of the number that was claimed (1:1)"
        if one_to_one
        else f"{size} entries (1:few); nobody had claimed to be one of them",
    )
    if facts.get("gallery"):
        yield Line("Gallery digest", f"{facts['gallery']} (SHA-256 of the ids that were searched, sorted)")
    if facts.get("models"):
        yield Line("Models", facts["models"])
    yield Line("Operating point", facts["operating point"])
    yield Line("Threshold", _threshold(facts["threshold"]))
    yield Line("Score in words", _words(facts.get("strength")))
    yield Line("Outcome", _outcome(facts, event))
    yield Line("Who decided", _who(facts, one_to_one=one_to_one))
    if one_to_one:
        yield Line("Attempts", _attempts(facts.get("failed in a row")))
    if facts.get("input"):
        yield Line(
            "Input",
            f"keyed digest {facts['input']}; the sample itself was overwritten after the decision",
        )


def _span(began: str, ended: Moment) -> str:
    try:
        boot, monotonic_ns, wall_ns, quality = began.split(" ")
        start = Moment(bytes.fromhex(boot), int(monotonic_ns), int(wall_ns), ClockQuality(quality))
    except ValueError:
        return f"ended {when(ended)}; when it began was not written down"
    took = (
        f"; it took {(ended.monotonic_ns - start.monotonic_ns) / 1e9:.1f} s"
        if start.boot_id == ended.boot_id
        else "; the appliance started anew meanwhile"
    )
    return f"began {when(start)}, ended {when(ended)}{took}"


def _threshold(threshold: str) -> str:
    if not threshold:
        return "none: nothing was compared"
    return f"{float(threshold):.2f}, a log-likelihood ratio of all samples together; what reaches it counts"


def _words(strength: str | None) -> str:
    if strength is None:
        return "not written down by the version that made this decision"
    if not strength:
        return "none: nothing was compared"
    return f"{strength}: {STRENGTH_MEANING[Strength(strength)]}"


def _outcome(facts: dict[str, str], event: Event | None) -> str:
    outcome = Outcome(facts["outcome"])
    said = {
        Outcome.MATCH: "match: the threshold was reached",
        Outcome.NO_MATCH: "no match: the threshold was not reached, and a person took over",
        Outcome.SUGGESTION: "suggestion: somebody stood out, and staff were shown who",
        Outcome.RETRY: "no usable sample, and a person took over",
        Outcome.UNAVAILABLE: "a part was not available, and a person took over",
    }[outcome]
    reason = event.body.reason if event is not None and isinstance(event.body, CheckIn) else ""
    return f"{said} ({reason})" if reason else said


def _who(facts: dict[str, str], *, one_to_one: bool) -> str:
    operator = facts.get("operator", "not written down")
    if facts["confirmed"] == "true":
        return f"a person confirmed the suggestion by sight: {operator}"
    if facts["outcome"] == Outcome.SUGGESTION.value:
        return f"nobody confirmed the suggestion, so it counts for nothing (at the desk: {operator})"
    if one_to_one and facts["outcome"] == Outcome.MATCH.value:
        return f"the claim and the comparison; a match of 1:1 needs no confirmation (at the desk: {operator})"
    return f"staff, without finger and face (at the desk: {operator})"


def _attempts(failed: str | None) -> str:
    rule = f"after {MOST_IN_A_ROW} failures in a row under one number each further try waits {DELAY_S:.0f} s"
    if not failed:
        return rule
    return f"{failed} failed in a row after this one; {rule}"


def _facts(entry: AuditEntry) -> Iterator[Line]:
    yield Line("When", when(entry.moment))
    for name, value in entry.facts.items():
        if value:
            yield Line(name.capitalize(), value)


def _record(trail: Trail, row: Row, event: Event | None) -> Iterator[Line]:
    seq = row.entry.seq
    if seq is None:
        return
    if event is None:
        whose = trail.head.device_id
        yield Line("Can no longer be shown", _missing(row.entry.act))
        yield Line(
            "Why not",
            "the record is not with this log: it leaves the appliance within a day after the aggregator "
            f"holds it, and is no part of an exported log; the aggregator has it as event {seq} of {whose}"
            if row.epoch_now
            else "the row is of a former epoch of this appliance, whose records were not taken over",
        )
        return
    match event.body:
        case CheckIn() as body:
            stages = ", ".join(f"{each.stage} {each.duration_ns / 1e6:.0f} ms" for each in body.stages)
            used = " and ".join(modality.value for modality in body.modalities) or "nothing"
            yield Line("Record", f"{body.record_id.hex()}, kept here until a day after its acknowledgement")
            yield Line("Samples", f"{used}, in {body.tries} tries")
            if body.score_llr is not None:
                yield Line("Score", f"{body.score_llr:.2f}")
            yield Line("Time of each stage", stages)
        case Service() as body:
            yield Line("Rests on", ", ".join(_named(trail, each) for each in body.check_ins) or "no check-in")
        case _:
            yield Line("Record", "kept here until a day after its acknowledgement")


def _named(trail: Trail, record_id: bytes) -> str:
    row = _of_record(trail, record_id.hex())
    return (
        f"decision {row.entry.seq}" if row is not None else f"record {record_id.hex()}, no longer kept here"
    )


def _missing(act: str) -> str:
    if act == "check-in":
        return "the score as a number, the samples used, the tries, the time of each stage"
    return "what the record said beyond these facts"


def _proof(trail: Trail, row: Row) -> Iterator[Line]:
    checked = trail.check()
    if isinstance(checked, AuditBroken):
        proven = (
            "rows up to this one still hold"
            if row.number < checked.number
            else "THIS ROW IS NOT PROVEN; tell the data-protection officer"
        )
        yield Line("Proof", f"the log breaks at row {checked.number}: {checked.reason}; {proven}")
        return
    yield Line(
        "Proof", f"all {checked.rows} rows hold; the chain's value after this row is {row.chain.hex()}"
    )
    if row.entry.seq is None or not row.epoch_now:
        return
    signed = row.entry.seq <= checked.covered
    covered = f"the aggregator signed for events up to {checked.covered}"
    yield Line(
        "Signed for",
        f"yes: {covered}" if signed else f"not yet: {covered}" if checked.receipts else "not yet",
    )


def between(trail: Trail, from_ns: int | None, to_ns: int | None) -> Sequence[Row]:
    """Return the rows from from_ns to before to_ns by their wall clock, in ns since 1970; None: no end."""
    return [
        row
        for row in rows(trail)
        if (from_ns is None or row.entry.moment.wall_ns >= from_ns)
        and (to_ns is None or row.entry.moment.wall_ns < to_ns)
    ]
