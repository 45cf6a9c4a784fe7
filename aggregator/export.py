"""What the store holds, for people (a table) and for programs (CSV, JSON)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal, TextIO, TypeAlias, TypeVar

import msgspec
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from aggregator.holdings import Device, DoubleCollection, Missing, StoredEvent

Format: TypeAlias = Literal["table", "csv", "json"]
FORMATS: tuple[Format, ...] = ("table", "csv", "json")
RESULT_TABLE = ("wall_time", "device_id", "seq", "kind", "outcome", "mode", "tries", "score_llr", "about")
DEVICE_TABLE = ("device_id", "site", "software_version", "last_seen", "events_held", "missing", "faults")
DOUBLE_COLLECTION_TABLE = ("cycle", "household", "times", "hand_overs")
MISSING_TABLE = ("device_id", "site", "last_seen", "epoch", "held", "told_seq", "missing", "ranges")
FILE_WIDTH_CHARACTERS = 160  # of a table that is not written to a terminal
# A spreadsheet takes a cell that begins with one of these as a formula (OWASP, CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")

RowT = TypeVar("RowT", bound=msgspec.Struct)


class ResultRow(msgspec.Struct, frozen=True):
    """One event under stable keys: identifiers in hex, times in ISO 8601 UTC, stages in milliseconds."""

    device_id: str
    epoch: str
    seq: int
    kind: str
    record_id: str | None
    outcome: str | None
    confirmed: bool | None
    mode: str | None
    entry_id: str | None
    tries: int | None
    score_llr: float | None
    threshold_llr: float | None
    reason: str | None
    modalities: tuple[str, ...] | None
    operating_point: str | None
    gallery_size: int | None
    stages: dict[str, float]
    consent: str | None
    notice_version: str | None
    notice_language: str | None
    face_templates: int | None
    finger_templates: int | None
    part: str | None
    recovered: bool | None
    fault: str | None
    wall_time: str
    clock_quality: str
    boot_id: str
    monotonic_s: float
    received_at: str
    command: str | None
    command_outcome: str | None
    detail: str | None
    dropped: int | None
    workflow: str | None
    cycle: str | None
    basis: str | None
    check_ins: tuple[str, ...] | None
    household: str | None
    duration_s: float | None
    declined: bool | None
    cohort: str | None
    operator: str | None
    supervisor: str | None
    countersigned_by: str | None
    entries: int | None
    digest: str | None
    approved_by: tuple[str, ...] | None
    planned: int | None
    served: int | None
    exceptions: int | None
    already_collected: int | None
    conflicts: int | None
    waiting: int | None
    concern: str | None
    collected: tuple[str, ...] | None
    resembles: str | None
    strength: str | None

    @property
    def about(self) -> str:
        """The rest in a few words, for the table."""
        return about(self)


class DeviceRow(msgspec.Struct, frozen=True):
    """One device under stable keys; missing: ranges of sequence numbers as [epoch, first, last]."""

    device_id: str
    site: str
    software_version: str
    first_seen: str
    last_seen: str
    events_held: int
    epoch: str
    acked_seq: int
    epochs: int
    missing: tuple[tuple[str, int, int], ...]
    conflicts: int
    disputed: bool
    faults: dict[str, str]


class DoubleCollectionRow(msgspec.Struct, frozen=True):
    """One household that collected more than once; hand_overs: [device, time by its clock]."""

    cycle: str
    household: str
    times: int
    hand_overs: tuple[tuple[str, str], ...]


class MissingRow(msgspec.Struct, frozen=True):
    """What is not held of one outbox; ranges: [first, last]."""

    device_id: str
    site: str
    last_seen: str
    epoch: str
    held: int
    told_seq: int
    missing: int
    ranges: tuple[tuple[int, int], ...]


def double_collection_row(found: DoubleCollection) -> DoubleCollectionRow:
    """Return a household that collected more than once as it is exported."""
    hand_overs = tuple((each.device_id, iso(each.wall_ns)) for each in found.hand_overs)
    return DoubleCollectionRow(found.cycle, found.household, len(hand_overs), hand_overs)


def missing_row(missing: Missing) -> MissingRow:
    """Return what is not held of one outbox as it is exported."""
    return MissingRow(
        device_id=missing.device_id,
        site=missing.site,
        last_seen=iso(missing.last_seen_ns),
        epoch=missing.epoch.hex(),
        held=missing.held,
        told_seq=missing.told_seq,
        missing=missing.count,
        ranges=missing.ranges,
    )


def result_row(event: StoredEvent) -> ResultRow:
    """Return one event as it is exported."""
    details = event.details
    return ResultRow(
        device_id=event.device_id,
        epoch=event.epoch.hex(),
        seq=event.seq,
        kind=event.kind,
        record_id=_hex(event.record_id),
        outcome=event.outcome,
        confirmed=details.confirmed,
        mode=event.mode,
        entry_id=_hex(event.entry_id),
        tries=event.tries,
        score_llr=_short(event.score_llr),
        threshold_llr=_short(event.threshold_llr),
        reason=event.reason,
        modalities=details.modalities,
        operating_point=details.operating_point,
        gallery_size=details.gallery_size,
        stages={stage.stage: stage.duration_ns / 1e6 for stage in details.stages},
        consent=details.consent,
        notice_version=details.notice_version,
        notice_language=details.notice_language,
        face_templates=details.face_templates,
        finger_templates=details.finger_templates,
        part=details.part,
        recovered=details.recovered,
        fault=details.fault,
        wall_time=iso(event.wall_ns),
        clock_quality=event.clock_quality,
        boot_id=event.boot_id.hex(),
        monotonic_s=event.monotonic_ns / 1e9,
        received_at=iso(event.received_ns),
        command=details.command,
        command_outcome=details.command_outcome,
        detail=details.detail,
        dropped=details.dropped,
        workflow=details.workflow,
        cycle=details.cycle,
        basis=details.basis,
        check_ins=details.check_ins,
        household=details.household,
        duration_s=None if details.duration_ns is None else details.duration_ns / 1e9,
        declined=details.declined,
        cohort=details.cohort,
        operator=details.operator,
        supervisor=details.supervisor,
        countersigned_by=details.countersigned_by,
        entries=details.entries,
        digest=details.digest,
        approved_by=details.approved_by,
        planned=details.planned,
        served=details.served,
        exceptions=details.exceptions,
        already_collected=details.already_collected,
        conflicts=details.conflicts,
        waiting=details.waiting,
        concern=details.concern,
        collected=details.collected,
        resembles=details.resembles,
        strength=details.strength,
    )


def about(row: ResultRow) -> str:
    """Say in a few words what the other columns of the table leave out."""
    match row.kind:
        case "service":
            took = "" if row.duration_s is None else f"{row.duration_s:.1f} s"
            return _listed(row.basis, row.reason, "biometrics declined" if row.declined else None, took)
        case "list_loaded" | "list_erased":
            return _listed(row.workflow, row.cycle, f"{row.entries} entries")
        case "day_closed":
            return _listed(row.workflow, row.cycle, f"{row.served} of {row.planned} served")
        case "complaint":
            return _listed(row.workflow, row.concern)
        case "conflict":
            return _listed(row.cycle, *(place.split()[0] for place in row.collected or ()))
        case "resemblance":
            return _listed(row.strength, "an entry may be of the same person as another")
        case "device_fault":
            return _listed(row.part, "is back" if row.recovered else row.fault)
        case "command_result":
            return _listed(row.command, row.command_outcome)
        case "telemetry_dropped":
            return f"{row.dropped} events"
        case _:
            return row.reason or ""


def _listed(*parts: str | None) -> str:
    return ", ".join(filter(None, parts))


def device_row(device: Device) -> DeviceRow:
    """Return one device as it is exported; epoch and acked_seq are those of its newest outbox."""
    return DeviceRow(
        device_id=device.device_id,
        site=device.site,
        software_version=device.software_version,
        first_seen=iso(device.first_seen_ns),
        last_seen=iso(device.last_seen_ns),
        events_held=device.events_held,
        epoch=device.outboxes[-1].epoch.hex(),
        acked_seq=device.outboxes[-1].acked_seq,
        epochs=len(device.outboxes),
        missing=tuple(
            (outbox.epoch.hex(), first, last) for outbox in device.outboxes for first, last in outbox.missing
        ),
        conflicts=sum(outbox.conflicts for outbox in device.outboxes),
        disputed=any(outbox.disputed for outbox in device.outboxes),
        faults={fault.part: fault.fault for fault in device.faults},
    )


def write_rows(
    rows: Iterable[RowT], row_type: type[RowT], form: Format, out: TextIO, columns: Sequence[str]
) -> None:
    """Write the rows; columns: those that the table shows, the other formats hold all."""
    match form:
        case "json":
            _write_json(rows, out)
        case "csv":
            _write_csv(rows, row_type.__struct_fields__, out)
        case "table":
            _write_table(rows, columns, out)


def _write_json(rows: Iterable[RowT], out: TextIO) -> None:
    separator = "[\n"
    for row in rows:
        out.write(separator + msgspec.json.encode(row).decode())
        separator = ",\n"
    out.write("[]\n" if separator == "[\n" else "\n]\n")


def _write_csv(rows: Iterable[RowT], columns: Sequence[str], out: TextIO) -> None:
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([csv_cell(value) for value in msgspec.structs.astuple(row)] for row in rows)


def _write_table(rows: Iterable[RowT], columns: Sequence[str], out: TextIO) -> None:
    table = Table(*columns, box=SIMPLE, pad_edge=False)
    for row in rows:
        table.add_row(*(_table_cell(getattr(row, column)) for column in columns))
    width = None if out.isatty() else FILE_WIDTH_CHARACTERS
    console = Console(file=out, width=width, markup=False, highlight=False)
    console.print(table if table.row_count else "Nothing is held yet.")


def csv_cell(value: object) -> object:
    """Return a value as a cell that no spreadsheet takes for a formula."""
    match value:
        case None:
            return ""
        case dict() | tuple():
            text = msgspec.json.encode(value).decode()
        case str():
            text = value
        case _:
            return value
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _table_cell(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:.2f}"
        case dict():
            return ", ".join(f"{key}: {item}" for key, item in value.items())
        case tuple():
            return ", ".join(str(item) for item in value)
        case _:
            return str(value)


def iso(wall_ns: int) -> str:
    """Return nanoseconds since 1970 as 2026-01-31T08:00:00.000Z."""
    seconds, nanoseconds = divmod(wall_ns, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{nanoseconds // 1_000_000:03d}Z"


def _hex(identifier: bytes | None) -> str | None:
    return None if identifier is None else identifier.hex()


def _short(score: float | None) -> float | None:
    """The wire holds float32: seven digits are all that it means."""
    return None if score is None else float(f"{score:.7g}")
