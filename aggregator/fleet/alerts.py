"""Alerts as values: what a person should know of, from what it is seen, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum, unique

import msgspec

from aggregator.fleet.heard import Missed
from aggregator.holdings import EnrolmentState, OpenFault
from aggregator.records import ClockQuality
from trust.telemetry import Telemetry


@unique
class AlertKind(Enum):
    """In the order in which they are shown: people first."""

    PEOPLE_TURNED_AWAY = "people turned away"
    PEOPLE_WAITING = "people waiting"
    WRONG_REFUSALS = "wrong refusals"
    DEVICE_SILENT = "device silent"
    SITE_SILENT = "site silent"
    PART_MISSING = "part missing"
    CLOCK_LOST = "clock lost"
    STORE_NEARLY_FULL = "store nearly full"
    CERTIFICATE_ENDS = "certificate ends"
    NUMBERS_MISSING = "numbers missing"
    UNDER_VOLTAGE = "under-voltage"
    TOO_HOT = "too hot"
    ROLLOUT_STOPPED = "rollout stopped"
    DESIRED_REFUSED = "desired refused"


SILENCE = frozenset({AlertKind.DEVICE_SILENT, AlertKind.SITE_SILENT})


@unique
class Severity(IntEnum):
    """How soon somebody should look."""

    NOTICE = 1
    WARNING = 2
    URGENT = 3


class Finding(msgspec.Struct, frozen=True):
    """Something that is so now; device_id: empty where it is about a site; site: where it is about all."""

    kind: AlertKind
    severity: Severity
    device_id: str
    site: str
    sentence: str

    @property
    def subject(self) -> tuple[AlertKind, str, str]:
        """What there is one alert for."""
        return self.kind, self.device_id, self.site


class Alert(msgspec.Struct, frozen=True):
    """A finding as it is kept; closed_ns: None while it lasts. acknowledged_by: empty for nobody yet."""

    number: int
    kind: AlertKind
    severity: Severity
    device_id: str
    site: str
    sentence: str
    opened_ns: int
    seen_ns: int
    closed_ns: int | None
    acknowledged_by: str
    acknowledged_ns: int | None

    @property
    def subject(self) -> tuple[AlertKind, str, str]:
        """As of the finding."""
        return self.kind, self.device_id, self.site


class Seen(msgspec.Struct, frozen=True, gc=False):
    """What is known of one device.

    silent: how much of its usual time it has missed; None while it is connected or its pattern is not known.
    silent_s, usual_silence_s: for how long it was not heard of, and the longest of late, which holds without
    a pattern. missing: numbers between those that are held. recent: sums of this hour and the one before,
    week: of seven days, by what (`aggregator.fleet.tallies`). refused: why the newest desired state was not
    taken up.
    """

    device_id: str
    site: str
    connected: bool
    silent: Missed | None = None
    silent_s: float = 0.0
    usual_silence_s: float = 0.0
    barred: EnrolmentState | None = None
    faults: tuple[OpenFault, ...] = ()
    telemetry: Telemetry | None = None
    telemetry_age_s: float = 0.0
    clock_quality: ClockQuality | None = None
    certificate_ends_in_s: float | None = None
    missing: int = 0
    recent: Mapping[str, int] = {}
    week: Mapping[str, int] = {}
    refused: str = ""


class Observation(msgspec.Struct, frozen=True):
    """What all rules go by; stopped: rollouts that stopped by themselves, by name with the reason."""

    devices: tuple[Seen, ...]
    stopped: Mapping[str, str] = {}
