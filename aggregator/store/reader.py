"""Reading the store: for the dashboard while the server runs, and for the commands."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from aggregator.holdings import (
    MAX_MISSING_RANGES,
    Details,
    Device,
    DoubleCollection,
    Enrolment,
    EnrolmentState,
    HandOver,
    Missing,
    OpenFault,
    Outbox,
    Overview,
    StoredEvent,
    Tallies,
)
from aggregator.store.identities import barred, enrolments
from aggregator.store.many import rows_of
from aggregator.store.port import Database
from trust.service import Answer

MAX_RANGES = 20  # of missing numbers, for one outbox; a device with more needs a person, not a list

RESULT_KINDS = ("check_in", "service", "conflict")
WAITING = (EnrolmentState.PENDING, EnrolmentState.HELD)

COLUMNS = StoredEvent.__struct_fields__
_EVENTS = f"SELECT {', '.join(COLUMNS)} FROM events JOIN outboxes USING (outbox)"  # noqa: S608


def read_events(
    db: Database,
    *,
    device_id: str | None = None,
    kinds: Sequence[str] = (),
    since_ns: int | None = None,
    limit: int | None = None,
) -> Iterator[StoredEvent]:
    """Yield events in the order of their arrival; kinds: none for all; with a limit, the latest."""
    conditions = {
        "device_id = :device_id": device_id,
        "kind IN (SELECT value FROM json_each(:kinds))": kinds or None,
        "received_ns >= :since_ns": since_ns,
    }
    used = [condition for condition, value in conditions.items() if value is not None]
    where = f" WHERE {' AND '.join(used)}" if used else ""
    values = {"device_id": device_id, "kinds": json.dumps(kinds), "since_ns": since_ns, "limit": limit}
    if limit is None:
        rows: Iterable[tuple[Any, ...]] = db.execute(f"{_EVENTS}{where} ORDER BY arrival", values)
    else:
        latest = db.execute(f"{_EVENTS}{where} ORDER BY arrival DESC LIMIT :limit", values)
        rows = reversed(latest.fetchall())
    return (stored_event(row) for row in rows)


def read_devices(db: Database, device_ids: Collection[str] | None = None) -> tuple[Device, ...]:
    """Return these devices, or all, by identifier, as of one commit."""
    with db.atomic():
        return _devices(db, device_ids)


def read_waiting(db: Database) -> tuple[Enrolment, ...]:
    """Return the keys that an operator has to decide on."""
    return enrolments(db, WAITING)


def read_missing(db: Database, device_id: str | None = None) -> tuple[Missing, ...]:
    """Return what is not held of each outbox, of one device or of all, as of one commit."""
    with db.atomic():
        outboxes = db.execute(
            """SELECT device_id, site, last_seen_ns, epoch, held, told_seq, outbox, acked_seq, top_seq
               FROM outboxes JOIN devices USING (device_id)
               WHERE max(told_seq, top_seq) > held AND (?1 IS NULL OR device_id = ?1)
               ORDER BY device_id, outbox""",
            (device_id,),
        ).fetchall()
        shut_out = barred(db)
        return tuple(_missing(db, shut_out.get(row[0]), *row) for row in outboxes)


def read_double_collections(db: Database, cycle: str | None = None) -> Iterator[DoubleCollection]:
    """Yield the households that collected more than once in one cycle or in any, by cycle and household.

    Desks that could not reach each other each gave in good faith; nobody is denied for it afterwards.
    """
    rows = db.execute(
        """SELECT cycle, household, device_id, wall_ns FROM (
               SELECT details ->> 'cycle' AS cycle, details ->> 'household' AS household, device_id, wall_ns,
                   count(*) OVER (PARTITION BY details ->> 'cycle', details ->> 'household') AS times
               FROM events JOIN outboxes USING (outbox)
               WHERE kind = 'service' AND outcome = :given AND details ->> 'household' IS NOT NULL
                   AND (:cycle IS NULL OR details ->> 'cycle' = :cycle)) AS given
           WHERE times > 1 ORDER BY cycle, household, wall_ns""",
        {"given": Answer.GIVEN.value, "cycle": cycle},
    )
    for (of_cycle, household), group in itertools.groupby(rows, key=lambda row: row[:2]):
        yield DoubleCollection(of_cycle, household, tuple(HandOver(*row[2:]) for row in group))


def read_tallies(db: Database, day: str) -> Tallies:
    """Return check-ins counted by outcome; day: a UTC date as 2026-01-31."""
    on_day = db.execute("SELECT outcome, count FROM tallies WHERE day = ?", (day,))
    total = db.execute("SELECT outcome, sum(count) FROM tallies GROUP BY outcome")
    return Tallies(day, dict(on_day.fetchall()), dict(total.fetchall()))


def read_overview(db: Database, day: str, results: int) -> Overview:
    """Return what the dashboard shows, as of one commit; results: how many of the latest, newest first."""
    with db.atomic():
        latest = tuple(read_events(db, kinds=RESULT_KINDS, limit=results))
        return Overview(latest[::-1], read_tallies(db, day))


def _devices(db: Database, device_ids: Collection[str] | None) -> tuple[Device, ...]:
    outboxes: dict[str, list[Outbox]] = {}
    for device_id, *row in rows_of(
        db,
        """SELECT device_id, outbox, epoch, acked_seq, top_seq, held, disputed_ns,
               (SELECT count(*) FROM conflicts WHERE conflicts.outbox = outboxes.outbox)
           FROM outboxes WHERE device_id IN (?*) ORDER BY outbox""",
        device_ids,
    ):
        outboxes.setdefault(device_id, []).append(_outbox(db, *row))
    faults: dict[str, list[OpenFault]] = {}
    for device_id, part, fault, since_ns in db.execute(
        "SELECT device_id, part, fault, since_ns FROM open_faults ORDER BY since_ns, part"
    ):
        faults.setdefault(device_id, []).append(OpenFault(part, fault, since_ns))
    shut_out = barred(db)
    devices = rows_of(
        db,
        """SELECT device_id, site, software_version, first_seen_ns, last_seen_ns
           FROM devices WHERE device_id IN (?*) ORDER BY device_id""",
        device_ids,
    )
    return tuple(
        Device(
            device_id=device_id,
            site=site,
            software_version=software_version,
            first_seen_ns=first_seen_ns,
            last_seen_ns=last_seen_ns,
            outboxes=tuple(outboxes[device_id]),
            faults=tuple(faults.get(device_id, ())),
            barred=shut_out.get(device_id),
        )
        for device_id, site, software_version, first_seen_ns, last_seen_ns in devices
    )


def stored_event(row: tuple[Any, ...]) -> StoredEvent:
    """Return an event from its COLUMNS."""
    columns: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    details = msgspec.json.decode(columns.pop("details"), type=Details)
    return StoredEvent(**columns, details=details)


def _missing(
    db: Database,
    shut_out: EnrolmentState | None,
    device_id: str,
    site: str,
    last_seen_ns: int,
    epoch: bytes,
    held: int,
    told_seq: int,
    outbox: int,
    acked_seq: int,
    top_seq: int,
) -> Missing:
    gaps = _gaps(db, outbox, acked_seq) if held != top_seq else ()
    end = ((top_seq + 1, told_seq),) if told_seq > top_seq else ()
    ranges = tuple(itertools.islice(itertools.chain(gaps, end), MAX_MISSING_RANGES))
    count = max(told_seq, top_seq) - held
    return Missing(device_id, site, last_seen_ns, epoch, held, told_seq, count, ranges, shut_out)


def _outbox(
    db: Database,
    outbox: int,
    epoch: bytes,
    acked_seq: int,
    top_seq: int,
    held: int,
    disputed_ns: int | None,
    conflicts: int,
) -> Outbox:
    missing = tuple(itertools.islice(_gaps(db, outbox, acked_seq), MAX_RANGES)) if held != top_seq else ()
    breaks = db.execute("SELECT first_seq, last_seq FROM chain_breaks WHERE outbox = ?", (outbox,)).fetchall()
    return Outbox(epoch, acked_seq, top_seq, held, missing, conflicts, disputed_ns is not None, tuple(breaks))


def _gaps(db: Database, outbox: int, acked_seq: int) -> Iterable[tuple[int, int]]:
    return db.execute(
        """SELECT previous + 1, seq - 1 FROM (
               SELECT seq, lag(seq, 1, :acked) OVER (ORDER BY seq) AS previous
               FROM events WHERE outbox = :outbox AND seq > :acked) AS steps
           WHERE seq > previous + 1""",
        {"outbox": outbox, "acked": acked_seq},
    )
