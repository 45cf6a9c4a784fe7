"""FleetService: administration of devices and people; every act is in the audit log with its actor."""

from __future__ import annotations

from aggregator.artifact_shelf import ArtifactShelf
from aggregator.authority import Authority
from aggregator.bundle_shelf import BundleShelf
from aggregator.exporting.desk import ExportDesk
from aggregator.link.desks import Desks
from aggregator.link.fleet.alerting import Alerting
from aggregator.link.fleet.asking import Asking
from aggregator.link.fleet.auditing import Auditing
from aggregator.link.fleet.calls import FleetCalls
from aggregator.link.fleet.desiring import Desiring
from aggregator.link.fleet.devices import Devices
from aggregator.link.fleet.diagnosing import Diagnosing
from aggregator.link.fleet.exporting import Exporting
from aggregator.link.fleet.joining import Joining
from aggregator.link.fleet.places import Places
from aggregator.link.fleet.rolling_out import RollingOut
from aggregator.link.fleet.stocking import Stocking
from aggregator.link.log_relay import LogRelay
from aggregator.link.presence import Presence
from aggregator.link.rolling import RolloutRunner


class FleetService(
    Joining,
    Asking,
    Auditing,
    Exporting,
    Diagnosing,
    Devices,
    Places,
    Desiring,
    Stocking,
    RollingOut,
    Alerting,
):
    """Does what operators ask for, one subject in each of its bases."""

    def __init__(
        self,
        calls: FleetCalls,
        authority: Authority,
        presence: Presence,
        desks: Desks,
        export_desk: ExportDesk,
        artifacts: ArtifactShelf,
        shelf: BundleShelf,
        relay: LogRelay,
        rollouts: RolloutRunner,
        *,
        has_mail_server: bool,
    ) -> None:
        self._calls = calls
        self._authority = authority
        self._presence = presence
        self._desks = desks
        self._export_desk = export_desk
        self._artifacts = artifacts
        self._shelf = shelf
        self._relay = relay
        self._rollouts = rollouts
        self._has_mail_server = has_mail_server
