"""What the aggregator knows of a fleet, as values; times are nanoseconds since 1970 by its own clock."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, unique

import msgspec

from trust.state import Artifact, DesiredState, ReportedState, ServiceWindow
from trust.telemetry import Telemetry

MAX_LABELS = 64


@unique
class ScopeKind(Enum):
    """For whom something is desired; the later holds before the earlier."""

    FLEET = "fleet"
    SITE = "site"
    GROUP = "group"
    DEVICE = "device"


class Scope(msgspec.Struct, frozen=True):
    """For whom something is desired; subject: the name of a site, a group or a device."""

    kind: ScopeKind
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value} {self.subject}".rstrip()


FLEET = Scope(ScopeKind.FLEET)


class Desire(msgspec.Struct, frozen=True):
    """What is desired in one scope; settings: JSON text by name. revision: 0 before anything was desired."""

    scope: Scope
    revision: int
    settings: dict[str, str]
    artifacts: tuple[Artifact, ...]
    changed_ns: int
    changed_by: str


class DesireChange(msgspec.Struct, frozen=True):
    """What to change of a desire: new values by name or kind, None for what is not to be desired any more."""

    settings: dict[str, str | None] = {}
    artifacts: dict[str, Artifact | None] = {}


class Site(msgspec.Struct, frozen=True):
    """One place where people are served.

    latitude, longitude: degrees, None where nobody said. daily_budget_bytes: of updates and diagnostics,
    0 for no limit. megabyte_cost_milli: in thousandths of `currency` (ISO 4217). support_consent_until_ns:
    the site agrees to live logs and support sessions until then, 0 for never.
    """

    name: str
    revision: int
    title: str = ""
    labels: Mapping[str, str] = {}
    latitude: float | None = None
    longitude: float | None = None
    window: ServiceWindow | None = None
    daily_budget_bytes: int = 0
    megabyte_cost_milli: int = 0
    currency: str = ""
    support_consent_until_ns: int = 0
    devices: int = 0


class Group(msgspec.Struct, frozen=True):
    """Devices that belong together by a filter; the higher rank holds, between equals the first by name."""

    name: str
    revision: int
    filter: str
    title: str = ""
    rank: int = 0
    devices: int = 0


@unique
class Health(Enum):
    """A device in one word, the better first."""

    WELL = "well"
    WARNING = "warning"
    FAILING = "failing"
    SILENT = "silent"
    BARRED = "barred"


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What filters ask of a device.

    silent_s: 0 while it is connected. result: of the newest desired state, empty before the first report.
    groups, health: empty and WELL where the filter does not ask for them, as they cost more than the rest.
    """

    device_id: str
    site: str
    labels: Mapping[str, str]
    site_labels: Mapping[str, str]
    version: str
    connected: bool = False
    silent_s: float = 0.0
    drift: bool = False
    result: str = ""
    groups: frozenset[str] = frozenset()
    health: Health = Health.WELL


class Desired(msgspec.Struct, frozen=True):
    """What a device should be; remarks: sentences on what its scopes contradict each other about."""

    state: DesiredState
    remarks: tuple[str, ...] = ()


class Reported(msgspec.Struct, frozen=True):
    """What a device said that it is.

    doubt: why that cannot be believed as it stands, empty where it can. drift: fields of the desired state
    that it does not show, by name.
    """

    state: ReportedState
    received_ns: int
    doubt: str
    drift: tuple[str, ...]


class Noted(msgspec.Struct, frozen=True):
    """What became of a report; newly_doubted: it is doubted, and nobody was told so in the last hour."""

    reported: Reported
    newly_doubted: bool


class FleetDevice(msgspec.Struct, frozen=True):
    """One device as the desk sees it; problems: in short, the worst first.

    desired, reported, telemetry: None before the first. telemetry_ns: when that was measured.
    """

    device_id: str
    site: str
    labels: Mapping[str, str]
    revision: int
    software_version: str
    connected: bool
    first_seen_ns: int
    last_seen_ns: int
    health: Health
    problems: tuple[str, ...]
    groups: tuple[str, ...]
    desired: Desired | None
    reported: Reported | None
    telemetry: Telemetry | None = None
    telemetry_ns: int = 0


class StoredArtifact(msgspec.Struct, frozen=True):
    """A file that is held for devices."""

    artifact: Artifact
    title: str
    added_ns: int
    added_by: str


class Stale(msgspec.Struct, frozen=True):
    """Somebody else changed it meanwhile, and nothing was changed now; revision: the one that is there."""

    revision: int


class Missing(msgspec.Struct, frozen=True):
    """There is no such thing, and nothing was changed; kind and name: what was looked for."""

    kind: str
    name: str


class Invalid(msgspec.Struct, frozen=True):
    """It cannot be meant, and nothing was changed; field: its path. why: what to write instead."""

    field: str
    why: str
