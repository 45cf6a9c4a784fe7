"""Turns rollouts over: looks at their devices every few seconds, writes down and tells what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress

import msgspec
from structlog.typing import FilteringBoundLogger

from aggregator.fleet.rollout import Rollout, RolloutState
from aggregator.fleet.rollout_engine import Observed, step
from aggregator.store import fleet_rollout_turns, fleet_rollouts
from aggregator.store.errors import StoreError
from aggregator.store.fleet_rollout_outcomes import OutcomeReader
from aggregator.store.port import Database
from aggregator.store.view import StoreView
from aggregator.store.writer import StoreWriter

TURN_S = 5.0  # a person who watches a rollout sees each answer soon after it came
LOOK_NS = 60 * 1_000_000_000
"""All devices are looked at this often: silence and health change without a report."""
JUDGE_NS = 600 * 1_000_000_000
"""What happens to people is added up this often: sums are by the hour, and 10,000 devices have many."""
_LATE_NS = 60 * 1_000_000_000  # a report's time is taken before its commit


class _Looked(msgspec.Struct):
    """When a rollout was looked at, 0 for never; after a restart everything is looked at anew."""

    reports_ns: int = 0
    devices_ns: int = 0
    people_ns: int = 0
    defective: bool = False


class RolloutRunner:
    """Owns no state that counts: a turn is one transaction, and a restart goes on from the tables.

    view: of its own, so that adding up keeps no page waiting. tell: called with the devices that have another
    desired state.
    """

    def __init__(
        self,
        store: StoreWriter,
        view: StoreView,
        connected: Callable[[], Collection[str]],
        tell: Callable[[Collection[str]], None],
        wall_ns: Callable[[], int],
        log: FilteringBoundLogger,
        turn_s: float = TURN_S,
    ) -> None:
        self._store = store
        self.view = view
        self._connected = connected
        self._tell = tell
        self._wall_ns = wall_ns
        self._log = log
        self._turn_s = turn_s
        self._looked: dict[str, _Looked] = {}
        self._outcomes = OutcomeReader()
        self._soon = asyncio.Event()

    def look(self) -> None:
        """Say that somebody made or changed a rollout."""
        self._soon.set()

    async def run(self) -> None:
        """Turn until cancelled."""
        failing = False
        while True:
            try:
                await self.turn()
                failing = False
            except StoreError as error:  # the store's own fault is logged where it is
                if not failing:
                    self._log.error("rollouts.not_turned", kind=type(error).__name__, why=str(error))
                failing = True
            with suppress(TimeoutError):
                await asyncio.wait_for(self._soon.wait(), self._turn_s)
            self._soon.clear()

    async def turn(self) -> None:
        """Turn every rollout over once; raises StoreError."""
        names = await self.view.read(fleet_rollouts.under_way)
        self._looked = {name: self._looked.get(name, _Looked()) for name in names}
        for name, looked in self._looked.items():
            try:
                await self._turn(name, looked)
            except StoreError:
                raise
            # A defect that one rollout brings out must keep no other from being stopped.
            except Exception as error:  # noqa: BLE001
                if not looked.defective:
                    self._log.error("rollout.not_turned", rollout=name, kind=type(error).__name__)
                looked.defective = True

    async def _turn(self, name: str, looked: _Looked) -> None:
        now_ns, connected = self._wall_ns(), self._connected()
        all_devices = _is_due(now_ns, looked.devices_ns, LOOK_NS)
        people = _is_due(now_ns, looked.people_ns, JUDGE_NS)
        since_ns = 0 if all_devices else looked.reports_ns

        def see(db: Database) -> tuple[Rollout, Observed] | None:
            found = fleet_rollouts.whole(db, name)
            if found is None:
                return None
            rollout = found[0]
            judged = people and rollout.state is RolloutState.RUNNING
            outcomes = self._outcomes.read(db, rollout, now_ns) if judged else {}
            devices = fleet_rollout_turns.observe(db, rollout, now_ns, connected, since_ns)
            return rollout, Observed(devices, outcomes)

        seen = await self.view.read(see)
        if seen is None:
            return
        before, observed = seen
        # Most turns change nothing, and then events need not wait for a transaction.
        if step(before, observed, now_ns) != (before, ()):
            after, changed = await self._store.submit(
                lambda db: fleet_rollout_turns.turn(db, name, observed, now_ns)
            )
            if changed:
                self._tell(changed)
            if after is not None and after.state is not before.state:
                self._log.info("rollout.moved", rollout=name, state=after.state.value, why=after.reason)
        looked.reports_ns = now_ns - _LATE_NS
        if all_devices:
            looked.devices_ns = now_ns
        if people:
            looked.people_ns = now_ns


def _is_due(now_ns: int, last_ns: int, every_ns: int) -> bool:
    """Tell whether it is time again; a clock that was set back makes it so."""
    return not 0 <= now_ns - last_ns < every_ns or not last_ns
