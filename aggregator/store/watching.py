"""What the alert rules go by, read from the store in a few statements however many devices there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

import msgspec

from aggregator.fleet.alert_rules import LOOKED_AT, LOOKED_AT_WEEKLY
from aggregator.fleet.alerts import Observation, Seen
from aggregator.fleet.heard import HOUR_NS, WEEK_H, WEEKS, Heard, Missed, knows_pattern, missed
from aggregator.fleet.rollout import RolloutState
from aggregator.holdings import OpenFault
from aggregator.store import telemetry
from aggregator.store.identities import barred
from aggregator.store.port import Database
from trust.state import DesiredResult, ReportedState

WEEK_HOURS = 7 * 24
AGGREGATOR = ""
"""Under which name `heard` keeps when the aggregator itself listened."""
_REFUSED = (DesiredResult.REFUSED.value, DesiredResult.ROLLED_BACK.value)

Sums = Mapping[str, Mapping[str, int]]


class Listening(msgspec.Struct, frozen=True):
    """Who is connected, when each device was heard of before, and since when this process listens."""

    connected: Collection[str]
    heard: Mapping[str, Heard]
    since_ns: int


class _Reason(msgspec.Struct, frozen=True):
    reason: str = ""


def observe(db: Database, listening: Listening, week: Sums, now_ns: int) -> Observation:
    """Return what is known now; week: as `week_sums` returns it."""
    shut_out = barred(db)
    faults: defaultdict[str, list[OpenFault]] = defaultdict(list)
    for device_id, part, fault, since_ns in db.execute(
        "SELECT device_id, part, fault, since_ns FROM open_faults ORDER BY device_id, part"
    ):
        faults[device_id].append(OpenFault(part, fault, since_ns))
    told = {each.device_id: each for each in telemetry.latest(db)}
    ends = dict(
        db.execute("""
            SELECT device_id, max(ends_ns) FROM certificates JOIN enrolments USING (enrolment)
            WHERE state = 'approved' GROUP BY device_id""").fetchall()
    )
    lacking = dict(
        db.execute(
            "SELECT device_id, sum(top_seq - held) FROM outboxes WHERE top_seq > held GROUP BY device_id"
        ).fetchall()
    )
    refused = _refused(db)
    hour = now_ns // HOUR_NS
    recent = _by_device(telemetry.sums(db, LOOKED_AT, hour - 1, hour + 1))
    devices = []
    for device_id, site, last_seen_ns, usual_silence_ns in db.execute(
        "SELECT device_id, site, last_seen_ns, usual_silence_ns FROM devices ORDER BY device_id"
    ):
        connected = device_id in listening.connected
        newest = told.get(device_id)
        devices.append(
            Seen(
                device_id=device_id,
                site=site,
                connected=connected,
                silent=None if connected else _silent(listening, device_id, last_seen_ns, now_ns),
                silent_s=max(0, now_ns - last_seen_ns) / 1e9,
                usual_silence_s=usual_silence_ns / 1e9,
                barred=shut_out.get(device_id),
                faults=tuple(faults.get(device_id, ())),
                telemetry=None if newest is None else newest.telemetry,
                telemetry_age_s=0.0 if newest is None else max(0, now_ns - newest.at_ns) / 1e9,
                clock_quality=None if newest is None else newest.clock_quality,
                certificate_ends_in_s=(ends[device_id] - now_ns) / 1e9 if device_id in ends else None,
                missing=lacking.get(device_id, 0),
                recent=recent.get(device_id, {}),
                week=week.get(device_id, {}),
                refused=refused.get(device_id, ""),
            )
        )
    return Observation(tuple(devices), _stopped(db))


def week_sums(db: Database, now_ns: int) -> Sums:
    """Return the sums of the last seven days that the rules ask for; for 10,000 devices a second of work."""
    hour = now_ns // HOUR_NS
    return _by_device(telemetry.sums(db, LOOKED_AT_WEEKLY, hour - WEEK_HOURS + 1, hour + 1))


def last_heard(db: Database) -> dict[str, int]:
    """Return when each device was last heard of."""
    return dict(db.execute("SELECT device_id, last_seen_ns FROM devices").fetchall())


def read_heard(db: Database, now_ns: int) -> dict[str, Heard]:
    """Return in which hours each device was heard of in the weeks that count."""
    heard: dict[str, Heard] = {}
    for device_id, week, hours in db.execute(
        "SELECT device_id, week, hours FROM heard WHERE week >= ?", (_first_week(now_ns),)
    ):
        heard.setdefault(device_id, Heard()).weeks[week] = int(hours, 16)
    return heard


def write_heard(db: Database, rows: Iterable[tuple[str, int, int]]) -> None:
    """Keep (device, week, hours as bits)."""
    db.execute_many(
        """INSERT INTO heard (device_id, week, hours) VALUES (?, ?, ?)
           ON CONFLICT (device_id, week) DO UPDATE SET hours = excluded.hours""",
        [(device_id, week, f"{hours:042x}") for device_id, week, hours in rows],
    )


def forget_heard(db: Database, now_ns: int) -> None:
    """Erase the weeks that count no more."""
    db.execute("DELETE FROM heard WHERE week < ?", (_first_week(now_ns),))


def _first_week(now_ns: int) -> int:
    # Those that say what is usual, and as many again for what each of these missed.
    return int(now_ns // HOUR_NS // WEEK_H) - 2 * WEEKS


def _silent(listening: Listening, device_id: str, last_seen_ns: int, now_ns: int) -> Missed | None:
    device = listening.heard.get(device_id)
    if device is None or not knows_pattern(device, now_ns // HOUR_NS):
        return None
    aggregator = listening.heard.get(AGGREGATOR, Heard())
    return missed(device, aggregator, last_seen_ns, now_ns, listening.since_ns)


def _refused(db: Database) -> dict[str, str]:
    refused = {}
    for device_id, content, doubt in db.execute(
        "SELECT device_id, content, doubt FROM reported_states WHERE result IN (?, ?) OR doubt <> ''",
        _REFUSED,
    ):
        if doubt:  # it may say that it did
            refused[device_id] = doubt
            continue
        state = msgspec.json.decode(content, type=ReportedState)
        why = "; ".join(f"{each.field}: {each.reason}" for each in state.refusals) or "it did not say why"
        refused[device_id] = f"{state.result.value}, {why}"
    return refused


def _stopped(db: Database) -> dict[str, str]:
    rows = db.execute("SELECT name, content FROM rollouts WHERE state = ?", (RolloutState.STOPPED.value,))
    return {name: msgspec.json.decode(content, type=_Reason).reason for name, content in rows}


def _by_device(rows: Iterable[tuple[str, str, int]]) -> dict[str, dict[str, int]]:
    sums: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for device_id, what, count in rows:
        sums[device_id][what] = count
    return dict(sums)
