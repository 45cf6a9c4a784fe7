"""FleetService: administration of devices and people; every act is in the audit log with its actor."""

from __future__ import annotations

from collections.abc import Callable

from aggregator.authority import Authority
from aggregator.exporting.desk import ExportDesk
from aggregator.holdings import Command
from aggregator.link.desk import Desk
from aggregator.link.fleet.asking import Asking
from aggregator.link.fleet.auditing import Auditing
from aggregator.link.fleet.calls import FleetCalls
from aggregator.link.fleet.exporting import Exporting
from aggregator.link.fleet.joining import Joining
from aggregator.link.presence import Presence
from aggregator.store.writer import StoreWriter
from trust.tls.callers import Callers


class FleetService(Joining, Asking, Auditing, Exporting):
    """Does what operators ask for, one subject in each of its bases."""

    def __init__(
        self,
        store: StoreWriter,
        authority: Authority,
        callers: Callers,
        presence: Presence,
        command_desk: Desk[Command],
        export_desk: ExportDesk,
        wall_ns: Callable[[], int],
    ) -> None:
        self._calls = FleetCalls(store, callers, wall_ns)
        self._authority = authority
        self._presence = presence
        self._command_desk = command_desk
        self._export_desk = export_desk
