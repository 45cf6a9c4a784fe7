"""What an appliance should be, and what it says that it is: both ends compare these by their digests."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from enum import Enum, unique
from zoneinfo import ZoneInfo

import msgspec

MAX_VALUE_BYTES = 4096
MAX_VERSION = 64
"""Characters of the version of a file or of the software."""
SETTING = r"^[a-z][a-z0-9_]{0,31}(\.[a-z][a-z0-9_]{0,31}){1,3}$"
"""How a setting is named: table and key of the appliance's file."""


@unique
class ArtifactKind(Enum):
    """What a file is for."""

    SOFTWARE = "software"
    MODELS = "models"
    OPERATING_POINT = "operating_point"
    POLICY = "policy"


@unique
class DesiredResult(Enum):
    """What became of a desired state."""

    WAITING = "waiting"
    APPLIED = "applied"
    REFUSED = "refused"
    ROLLED_BACK = "rolled back"


class Artifact(msgspec.Struct, frozen=True, order=True):
    """A file that an appliance takes up; digest: SHA-256 of it, in hex."""

    kind: ArtifactKind
    version: str
    digest: str
    size_bytes: int


class Refusal(msgspec.Struct, frozen=True):
    """One field that an appliance refused, and one sentence that says what to do next."""

    field: str
    reason: str


class ServiceWindow(msgspec.Struct, frozen=True):
    """When changes may be taken up, by the clock of the site.

    weekdays: 0 is Monday, empty for every day. start_s, end_s: since midnight; an end before the start is on
    the next day, and the same twice is the whole day.
    """

    time_zone: str
    start_s: int
    end_s: int
    weekdays: tuple[int, ...] = ()

    def holds(self, now: datetime) -> bool:
        """Whether `now`, with its time zone, is within. Raises ZoneInfoNotFoundError."""
        here = now.astimezone(ZoneInfo(self.time_zone))
        second = here.hour * 3600 + here.minute * 60 + here.second
        if self.start_s < self.end_s:
            return self.start_s <= second < self.end_s and self._on(here)
        if second >= self.start_s:
            return self._on(here)
        return second < self.end_s and self._on(here - timedelta(days=1))

    def _on(self, day: datetime) -> bool:
        return not self.weekdays or day.weekday() in self.weekdays


class DesiredState(msgspec.Struct, frozen=True):
    """What one appliance should be, to be taken up whole or not at all; settings: JSON text by name."""

    generation: int
    settings: dict[str, str]
    artifacts: tuple[Artifact, ...]
    window: ServiceWindow | None = None

    def digest(self) -> str:
        """Return the SHA-256 of settings and artifacts, in hex: equal where they ask for the same."""
        return state_digest(self.settings, self.artifacts)


class ReportedState(msgspec.Struct, frozen=True):
    """What an appliance is; generation: of the desired state that `result` is about, 0 before the first.

    digest: of the desired state in use, in hex, empty before the first. settings, artifacts: in use.
    """

    generation: int
    result: DesiredResult
    digest: str
    refusals: tuple[Refusal, ...]
    software_version: str
    settings: dict[str, str]
    artifacts: tuple[Artifact, ...]
    known_settings: tuple[str, ...]


def state_digest(settings: dict[str, str], artifacts: tuple[Artifact, ...]) -> str:
    """Return the SHA-256, in hex, of the names and values in order and of the artifacts in order."""
    content = (sorted(settings.items()), sorted(artifacts, key=lambda each: each.kind.value))
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()
