"""What devices say that they are; each report is held against what its device was given."""

from __future__ import annotations

import msgspec

from aggregator.fleet.believing import doubt
from aggregator.fleet.merging import drift
from aggregator.fleet.terms import Reported
from aggregator.store import administration
from aggregator.store.fleet_states import MAX_REPORTED, desired, given, raise_generation
from aggregator.store.port import Database
from trust.state import ReportedState


def note(db: Database, device_id: str, report: ReportedState, now_ns: int) -> Reported:
    """Keep the newest report of a device, with what of it cannot be so; a new doubt is in the audit log.

    A device that names a generation above its own gets what it should be under a higher one: after the store
    was restored from a copy the devices are ahead of it, and would otherwise take nothing from it any more.
    """
    newest = desired(db, {device_id}).get(device_id)
    state = None if newest is None else newest.state
    why = doubt(report, given(db, device_id), state)
    shown = () if state is None else drift(state, report)
    before = db.execute("SELECT doubt FROM reported_states WHERE device_id = ?", (device_id,)).fetchone()
    if why and (before is None or before[0] != why):
        administration.append(db, now_ns, f"device {device_id}", "report doubted", why)
    if state is not None and state.generation < report.generation < MAX_REPORTED:
        raise_generation(db, device_id, report.generation, now_ns)
    db.execute(
        """INSERT INTO reported_states (device_id, generation, result, content, received_ns, doubt, drift)
           VALUES (?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (device_id) DO UPDATE SET generation = excluded.generation, result = excluded.result,
               content = excluded.content, received_ns = excluded.received_ns, doubt = excluded.doubt,
               drift = excluded.drift""",
        (
            device_id,
            report.generation,
            report.result.value,
            msgspec.json.encode(report).decode(),
            now_ns,
            why,
            msgspec.json.encode(shown).decode(),
        ),
    )
    return Reported(report, now_ns, why, shown)


def to_reported(content: str, received_ns: int, why: str, shown: str) -> Reported:
    """Return a report as its columns keep it."""
    return Reported(
        msgspec.json.decode(content, type=ReportedState),
        received_ns,
        why,
        tuple(msgspec.json.decode(shown, type=list[str])),
    )
