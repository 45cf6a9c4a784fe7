"""What devices say that they are; each report is held against what its device was given."""

from __future__ import annotations

import msgspec

from aggregator.fleet.believing import doubt
from aggregator.fleet.merging import drift
from aggregator.fleet.terms import Noted, Reported
from aggregator.store import administration
from aggregator.store.fleet_states import MAX_REPORTED, desired, given, raise_generation
from aggregator.store.port import Database
from trust.state import ReportedState

TELL_AGAIN_NS = 3600 * 1_000_000_000
"""A device that lies with each report would otherwise fill the log."""


def note(db: Database, device_id: str, report: ReportedState, now_ns: int) -> Noted:
    """Keep the newest report of a device, with what of it cannot be so.

    A device that names a generation above its own gets what it should be under a higher one: after the store
    was restored from a copy the devices are ahead of it, and would otherwise take nothing from it any more.
    """
    newest = desired(db, {device_id}).get(device_id)
    state = None if newest is None else newest.state
    why = doubt(report, given(db, device_id), state)
    shown = () if state is None else drift(state, report)
    row = db.execute("SELECT doubted_ns FROM reported_states WHERE device_id = ?", (device_id,)).fetchone()
    doubted_ns = 0 if row is None else row[0]
    # abs: after the clock was set back the hour would never be over.
    newly_doubted = bool(why) and abs(now_ns - doubted_ns) >= TELL_AGAIN_NS
    if newly_doubted:
        administration.append(db, now_ns, f"device {device_id}", "report doubted", why)
        doubted_ns = now_ns
    if state is not None and state.generation < report.generation < MAX_REPORTED:
        raise_generation(db, device_id, report.generation, now_ns)
    db.execute(
        """INSERT INTO reported_states
               (device_id, generation, result, content, received_ns, doubt, drift, doubted_ns)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (device_id) DO UPDATE SET generation = excluded.generation, result = excluded.result,
               content = excluded.content, received_ns = excluded.received_ns, doubt = excluded.doubt,
               drift = excluded.drift, doubted_ns = excluded.doubted_ns""",
        (
            device_id,
            report.generation,
            report.result.value,
            msgspec.json.encode(report).decode(),
            now_ns,
            why,
            msgspec.json.encode(shown).decode(),
            doubted_ns,
        ),
    )
    return Noted(Reported(report, now_ns, why, shown), newly_doubted)


def to_reported(content: str, received_ns: int, why: str, shown: str) -> Reported:
    """Return a report as its columns keep it."""
    return Reported(
        msgspec.json.decode(content, type=ReportedState),
        received_ns,
        why,
        tuple(msgspec.json.decode(shown, type=list[str])),
    )
