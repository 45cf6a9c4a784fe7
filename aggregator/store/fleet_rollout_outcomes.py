"""What happened to people before and after a change, added up from the sums by hour and device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from aggregator.fleet.canary import Counts, DeviceOutcomes, RingOutcomes
from aggregator.fleet.rollout import Rollout, Standing
from aggregator.fleet.tallies import CHECK_INS, DAY_NS, HOUR_NS
from aggregator.records import Outcome
from aggregator.store import telemetry
from aggregator.store.port import Database

BEFORE_DAYS = 14
"""How long changed devices are looked back at: two of each weekday."""
BEFORE_KEPT_NS = DAY_NS
"""Devices that were without a link tell late; adding up two weeks of 10,000 devices took 10 s."""

_PRESENTED = {name: outcome for (_, outcome), name in CHECK_INS.items() if outcome is not Outcome.UNAVAILABLE}
_SINCE_ANSWER = """
    SELECT device_id, what, sum(count) FROM hourly JOIN rollout_devices USING (device_id)
    WHERE what = ? AND hour >= ? AND hour < ? AND rollout = ? AND ring = ? AND standing = ?
        AND answered_ns < hour * ? GROUP BY device_id, what"""

Sums: TypeAlias = Mapping[str, Counts]
"""By device."""


class OutcomeReader:
    """Adds up, and keeps for a day what was before: it is most of the work and hardly changes."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[int, Sums]] = {}  # by the hour before which they were

    def read(self, db: Database, rollout: Rollout, now_ns: int) -> dict[int, RingOutcomes]:
        """Return what happened, of each ring that has changed devices.

        The hour in which a device answered counts for neither period. Those that have not changed are all of
        the fleet that this rollout has told nothing, over the same periods; the second begins for them with
        the first answer of the ring.
        """
        sites: dict[str, str] = dict(db.execute("SELECT device_id, site FROM devices").fetchall())
        touched = {each.device_id for each in rollout.members if each.standing is not Standing.PENDING}
        until = now_ns // HOUR_NS + 1
        found = {}
        for ring, watch in enumerate(rollout.watches):
            applied = {
                each.device_id: each.answered_ns
                for each in rollout.of_ring(ring)
                if each.standing is Standing.APPLIED and each.answered_ns is not None
            }
            if watch.began_ns is None or not applied:
                continue
            first = min(applied.values()) // HOUR_NS + 1
            before = self._up_to(db, watch.began_ns // HOUR_NS, now_ns)
            after = _added_up(telemetry.sums(db, tuple(_PRESENTED), first, until))
            after |= {device_id: Counts() for device_id in applied}
            after |= _added_up(_since_answers(db, rollout.name, ring, first, until))
            found[ring] = RingOutcomes(
                _outcomes(applied, sites, before, after),
                _outcomes((before.keys() | after.keys()) - touched, sites, before, after),
            )
        return found

    def _up_to(self, db: Database, hour: int, now_ns: int) -> Sums:
        self._before = {
            of_hour: (read_ns, sums)
            for of_hour, (read_ns, sums) in self._before.items()
            if 0 <= now_ns - read_ns < BEFORE_KEPT_NS
        }
        if hour not in self._before:
            earlier = hour - BEFORE_DAYS * (DAY_NS // HOUR_NS)
            sums = _added_up(telemetry.sums(db, tuple(_PRESENTED), earlier, hour))
            self._before[hour] = (now_ns, sums)
        return self._before[hour][1]


def _since_answers(
    db: Database, name: str, ring: int, first: int, until: int
) -> Iterable[tuple[str, str, int]]:
    for what in _PRESENTED:
        yield from db.execute(
            _SINCE_ANSWER, (what, first, until, name, ring, Standing.APPLIED.value, HOUR_NS)
        )


def _added_up(rows: Iterable[tuple[str, str, int]]) -> dict[str, Counts]:
    counted: dict[str, Counter[Outcome]] = {}
    for device_id, what, count in rows:
        counted.setdefault(device_id, Counter())[_PRESENTED[what]] += int(count)
    return {device_id: _counts(outcomes) for device_id, outcomes in counted.items()}


def _outcomes(
    device_ids: Iterable[str], sites: Mapping[str, str], before: Sums, after: Sums
) -> tuple[DeviceOutcomes, ...]:
    nothing = Counts()
    return tuple(
        DeviceOutcomes(each, sites.get(each, ""), before.get(each, nothing), after.get(each, nothing))
        for each in sorted(device_ids)
    )


def _counts(outcomes: Counter[Outcome]) -> Counts:
    presented, not_acquired = outcomes.total(), outcomes[Outcome.RETRY]
    return Counts(presented, not_acquired, presented - not_acquired, outcomes[Outcome.NO_MATCH])
