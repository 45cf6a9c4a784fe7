"""Devices as the desk sees them: what filters ask of all, and everything of a few.

Read-only but for the faults, which belong to the transaction of their events.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from aggregator.fleet.filters import FilterRefused, parse
from aggregator.fleet.health import SECOND_NS, Known, judge
from aggregator.fleet.terms import Facts, FleetDevice, Health
from aggregator.holdings import OpenFault
from aggregator.records import DeviceFault
from aggregator.store import telemetry
from aggregator.store.fleet_reports import to_reported
from aggregator.store.fleet_states import desired, groups_of, to_labels
from aggregator.store.identities import barred
from aggregator.store.many import rows_of
from aggregator.store.port import Database
from aggregator.store.telemetry import Measured
from trust.state import DesiredResult, Refusal
from trust.telemetry import Telemetry


class _Refusals(msgspec.Struct, frozen=True):
    """Of a report, what it refuses alone."""

    refusals: tuple[Refusal, ...] = ()


def note_fault(db: Database, device_id: str, fault: DeviceFault, now_ns: int) -> None:
    """A part of a device failed or came back; the newest word on each part counts."""
    if fault.recovered:
        db.execute("DELETE FROM open_faults WHERE device_id = ? AND part = ?", (device_id, fault.part))
        return
    db.execute(
        """INSERT INTO open_faults (device_id, part, fault, since_ns) VALUES (?, ?, ?, ?)
           ON CONFLICT (device_id, part) DO UPDATE
           SET fault = excluded.fault, since_ns = excluded.since_ns""",
        (device_id, fault.part, fault.kind, now_ns),
    )


def matching(db: Database, text: str, now_ns: int, connected: Collection[str]) -> tuple[str, ...]:
    """Return the devices that a filter matches, by identifier; raises FilterRefused.

    A group that is not there is refused: nobody means a list that is empty for a slip in a name.
    """
    wanted = parse(text)
    names = {name for (name,) in db.execute("SELECT name FROM device_groups")}
    if unknown := sorted(name for name in wanted.groups - names if "*" not in name):
        known = ", ".join(sorted(names)[:20]) or "none yet"
        raise FilterRefused(f"there is no group {unknown[0]}: there are {known}")
    found = facts(db, now_ns, connected, groups=wanted.groups, health="health" in wanted.fields)
    # Sorted here, since databases do not agree on the order of names.
    return tuple(sorted(each.device_id for each in found if wanted.holds(each)))


def facts(
    db: Database,
    now_ns: int,
    connected: Collection[str],
    *,
    groups: Collection[str] = ("*",),
    health: bool = True,
) -> list[Facts]:
    """Return what filters may ask of all devices, by identifier.

    groups, health: whether these are asked for, and which groups, in full or with *.
    """
    rows = db.execute("""
        SELECT device_id, site, devices.labels, coalesce(sites.labels, '{}'), software_version, last_seen_ns,
            coalesce(drift, '[]'), coalesce(result, '')
        FROM devices LEFT JOIN sites ON sites.name = devices.site LEFT JOIN reported_states USING (device_id)
        ORDER BY device_id""").fetchall()
    healths = _healths(db, now_ns, connected) if health else {}
    found = [
        Facts(
            device_id,
            site,
            to_labels(labels),
            to_labels(site_labels),
            version,
            device_id in connected,
            0.0 if device_id in connected else _silent_s(now_ns, last_seen_ns),
            drift != "[]",
            result,
            health=healths.get(device_id, Health.WELL),
        )
        for device_id, site, labels, site_labels, version, last_seen_ns, drift, result in rows
    ]
    if not groups:
        return found
    members = groups_of(db, found, groups)
    return [msgspec.structs.replace(each, groups=frozenset(members[each.device_id])) for each in found]


def read(
    db: Database, device_ids: Sequence[str], now_ns: int, connected: Collection[str]
) -> tuple[FleetDevice, ...]:
    """Return everything of these devices, in their order; one that is not there is left out."""
    rows = {
        row[0]: row[1:]
        for row in rows_of(
            db,
            """SELECT device_id, site, devices.labels, coalesce(sites.labels, '{}'), devices.revision,
                   software_version, first_seen_ns, last_seen_ns, usual_silence_ns
               FROM devices LEFT JOIN sites ON sites.name = devices.site WHERE device_id IN (?*)""",
            device_ids,
        )
    }
    wanted, measured = desired(db, rows), _measured(db, rows)
    known = _known(db, now_ns, connected, rows, measured)
    reported = {
        device_id: to_reported(content, received_ns, doubt, drift)
        for device_id, content, received_ns, doubt, drift in rows_of(
            db,
            """SELECT device_id, content, received_ns, doubt, drift FROM reported_states
               WHERE device_id IN (?*)""",
            rows,
        )
    }
    groups = groups_of(
        db,
        [
            Facts(device_id, row[0], to_labels(row[1]), to_labels(row[2]), row[4])
            for device_id, row in rows.items()
        ],
    )
    found = []
    for device_id in (each for each in device_ids if each in rows):
        site, labels, _, revision, version, first_seen_ns, last_seen_ns, _ = rows[device_id]
        health, problems = judge(known[device_id])
        found.append(
            FleetDevice(
                device_id,
                site,
                to_labels(labels),
                revision,
                version,
                device_id in connected,
                first_seen_ns,
                last_seen_ns,
                health,
                problems,
                groups[device_id],
                wanted.get(device_id),
                reported.get(device_id),
                measured[device_id].telemetry if device_id in measured else None,
                measured[device_id].at_ns if device_id in measured else 0,
            )
        )
    return tuple(found)


def _healths(db: Database, now_ns: int, connected: Collection[str]) -> dict[str, Health]:
    known = _known(db, now_ns, connected, None, _measured(db, None))
    return {device_id: judge(each)[0] for device_id, each in known.items()}


def _measured(db: Database, device_ids: Collection[str] | None) -> dict[str, Measured]:
    return {each.device_id: each for each in telemetry.latest(db, device_ids)}


def _known(
    db: Database,
    now_ns: int,
    connected: Collection[str],
    device_ids: Collection[str] | None,
    measured: dict[str, Measured],
) -> dict[str, Known]:
    """Return what the health of these devices, or of all, rests on."""
    shut_out = barred(db)
    faults: dict[str, list[OpenFault]] = {}
    for device_id, part, fault, since_ns in db.execute(
        "SELECT device_id, part, fault, since_ns FROM open_faults ORDER BY since_ns, part"
    ):
        faults.setdefault(device_id, []).append(OpenFault(part, fault, since_ns))
    rows = rows_of(
        db,
        """SELECT device_id, last_seen_ns, usual_silence_ns, doubt, result, coalesce(remarks, '[]'),
               CASE WHEN result IN ('refused', 'rolled back') THEN content END
           FROM devices LEFT JOIN reported_states USING (device_id) LEFT JOIN desired_states USING (device_id)
           WHERE device_id IN (?*)""",
        device_ids,
    )
    return {
        device_id: Known(
            device_id in connected,
            0.0 if device_id in connected else _silent_s(now_ns, last_seen_ns),
            usual_ns / SECOND_NS,
            shut_out.get(device_id),
            faults.get(device_id, ()),
            doubt or "",
            None if result is None else DesiredResult(result),
            () if content is None else msgspec.json.decode(content, type=_Refusals).refusals,
            _current(measured.get(device_id), last_seen_ns),
            () if remarks == "[]" else msgspec.json.decode(remarks, type=list[str]),
        )
        for device_id, last_seen_ns, usual_ns, doubt, result, remarks, content in rows
    }


def _current(measured: Measured | None, last_seen_ns: int) -> Telemetry | None:
    """Return what a device measured last, unless it was heard of for long since without measuring."""
    if measured is None:
        return None
    age_s = (last_seen_ns - measured.at_ns) / SECOND_NS
    return measured.telemetry if age_s <= max(2 * measured.telemetry.period_s, 3600) else None


def _silent_s(now_ns: int, last_seen_ns: int) -> float:
    return max(0, now_ns - last_seen_ns) / SECOND_NS  # a clock that was set back makes nobody speak later
