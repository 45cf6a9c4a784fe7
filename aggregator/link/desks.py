"""What waits in the store for devices, and the desks that bring it to them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from aggregator.bus.port import Bus
from aggregator.holdings import Command
from aggregator.link.desk import Desk
from aggregator.store import commands, fleet_states
from aggregator.store.view import StoreView
from trust.state import DesiredState


@dataclass(frozen=True, slots=True)
class Desks:
    """What waits for devices: commands, and what they should be."""

    commands: Desk[Command]
    desired: Desk[DesiredState]

    @classmethod
    def over(cls, view: StoreView, wall_ns: Callable[[], int], log: FilteringBoundLogger, bus: Bus) -> Desks:
        """Return the desks that look into a store."""

        async def due_commands(device_ids: frozenset[str]) -> dict[str, tuple[Command, ...]]:
            return await view.look(lambda db: commands.due(db, wall_ns(), device_ids))

        async def due_states(device_ids: frozenset[str]) -> dict[str, tuple[DesiredState, ...]]:
            found = await view.look(lambda db: fleet_states.due(db, device_ids))
            return {device_id: (state,) for device_id, state in found.items()}

        return cls(
            Desk(due_commands, lambda command: command.command_id, "commands", log, bus),
            Desk(due_states, lambda state: (state.generation, state.window), "desired", log, bus),
        )

    def look_here(self, device_ids: Collection[str] | None = None) -> None:
        """Look for these devices, None for all, that listen at this worker."""
        self.commands.look_here(device_ids)
        self.desired.look_here(device_ids)
