"""The claim file: all that a new appliance has to be told to become one of its site, in one TOML file.

It lies on the card (`aidpost-claim.toml` beside the bootloader's files, which any computer can write), or is
shown to the camera as a code. It is secret until it was used: the claim code, and the network's passphrase.
"""

from __future__ import annotations

import itertools
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from trust.claim import Claim
from trust.claim_name import NAME as NAME
from trust.consent import Purpose
from trust.file_faults import explain
from trust.keys.guard import GuardKind
from trust.names import NAMES, is_name
from trust.network import Network, check_host_and_port
from trust.toml_text import to_toml

FORMAT = "aidpost claim 1"
MAX_BYTES = 8192
"""The largest that can be made has some 4,000; what is longer is not read."""
LEAST_PIN_DIGITS, MOST_PERSON = 6, 32
"""As the appliance's register of staff has them."""

LanguageTag = Annotated[str, msgspec.Meta(pattern=r"\A(en|fr|es|ar|uk|sw)(-[A-Z]{2})?\Z")]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class ClaimFileRefused(ValueError):
    """What was given is no claim file that can be used; the message says why and what to do."""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    pass


class ClaimedDevice(_Table, frozen=True, kw_only=True):
    """Who the appliance is to be. languages: of its screen, the site's own first."""

    id: str
    site: str
    purpose: Purpose
    languages: Annotated[tuple[LanguageTag, ...], msgspec.Meta(min_length=1, max_length=6)] = ("en",)

    def __post_init__(self) -> None:
        for text in (self.id, self.site):
            if not is_name(text):
                raise ValueError(f"{text!r} is no name of a device or site: {NAMES}")


class ClaimedAggregator(_Table, frozen=True, kw_only=True):
    """Where it asks to join. code: good for one device, it pins the authority too (`trust.claim`).

    made, expires: of the code, by the aggregator's clock.
    """

    target: str
    code: str
    made: Moment
    expires: Moment

    def __post_init__(self) -> None:
        check_host_and_port(self.target, "target")
        Claim.parse(self.code)
        if self.expires <= self.made:
            raise ValueError("`expires` is not after `made`")

    def claim(self) -> Claim:
        """Return the code."""
        return Claim.parse(self.code)

    def __repr__(self) -> str:
        return f"ClaimedAggregator({self.target!r})"


class ClaimedKeys(_Table, frozen=True, kw_only=True):
    """What guards its keys, and what opening the enclosure does to them: docs/keys.md."""

    guard: GuardKind
    on_tamper: Literal["destroy", "report"] = "destroy"


class ClaimedHardware(_Table, frozen=True, kw_only=True):
    """What it is built of; by default the kit of docs/hardware.md.

    port: of the fingerprint reader. screen: that there is a touch screen; tablets: that the page is served
    to the network too.
    """

    fingerprint: Literal["R503", "AS608", "R307", "none"] = "R503"
    port: str = "/dev/ttyAMA0"
    camera: Literal["picamera2", "v4l2", "replay", "none"] = "picamera2"
    camera_device: str = "0"
    board: Literal["gpio", "console", "none"] = "gpio"
    screen: bool = True
    tablets: bool = False

    def __post_init__(self) -> None:
        if self.fingerprint == "none" and self.camera == "none":
            raise ValueError("an appliance has a fingerprint reader or a camera")
        if self.board == "none" and not (self.screen or self.tablets):
            raise ValueError("nobody could use an appliance without board, screen and tablets")


class ClaimedSupervisor(_Table, frozen=True, kw_only=True):
    """The first who signs in there; without it that person enters name and PIN at the appliance itself."""

    name: str
    pin: str

    def __post_init__(self) -> None:
        if not is_name(self.name) or len(self.name) > MOST_PERSON:
            # Without the name: an appliance logs why it takes no claim, and no log names a person.
            raise ValueError(f"what the supervisor signs in with is no name: {NAMES}, {MOST_PERSON} at most")
        if not (self.pin.isascii() and self.pin.isdigit() and LEAST_PIN_DIGITS <= len(self.pin) <= 32):
            raise ValueError(f"a PIN has {LEAST_PIN_DIGITS} to 32 digits")
        if is_row(self.pin):
            raise ValueError("a PIN is no row of equal or counting digits, which everybody tries first")

    def __repr__(self) -> str:
        return "ClaimedSupervisor(...)"


class ClaimFile(_Table, frozen=True, kw_only=True):
    """The whole file."""

    format: Literal["aidpost claim 1"]
    device: ClaimedDevice
    aggregator: ClaimedAggregator
    keys: ClaimedKeys
    hardware: ClaimedHardware = ClaimedHardware()
    supervisor: ClaimedSupervisor | None = None
    network: Network = Network()

    @classmethod
    def of(cls, tables: dict[str, Any]) -> ClaimFile:
        """Return what the tables of a file say. Raises ClaimFileRefused."""
        if tables.get("format") != FORMAT:
            raise ClaimFileRefused(
                f'it is no claim file, which begins with format = "{FORMAT}": `aidpost-aggregator image '
                "personalise` makes them"
            )
        try:
            return msgspec.convert(tables, cls, strict=True)
        except msgspec.ValidationError as error:
            raise ClaimFileRefused(explain(str(error), cls)) from error

    @classmethod
    def parse(cls, text: str) -> ClaimFile:
        """Return what the text of a file says. Raises ClaimFileRefused."""
        if len(text.encode()) > MAX_BYTES:
            raise ClaimFileRefused(f"it is longer than any claim file, which has {MAX_BYTES} bytes at most")
        try:
            tables = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # TOMLDecodeError; numbers and nesting without end
            raise ClaimFileRefused(f"it is not valid TOML: {error}") from error
        return cls.of(tables)

    def to_text(self) -> str:
        """Return the text of the file; the same claim gives the same text."""
        plain = msgspec.to_builtins(self, builtin_types=(datetime,))
        return to_toml({**plain, "format": FORMAT})


def read_claim_file(path: Path) -> ClaimFile:
    """Read a file, as any editor leaves it. Raises ClaimFileRefused, and OSError where it cannot be read."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ClaimFileRefused(f"it is longer than any claim file, which has {MAX_BYTES} bytes at most")
    try:
        text = content.decode("utf-8-sig")  # Windows' editor begins a file with a mark
    except UnicodeDecodeError as error:
        raise ClaimFileRefused("it is not UTF-8 text: save it as UTF-8") from error
    return ClaimFile.parse(text)


def is_row(pin: str) -> bool:
    """Tell whether the digits are all equal, or count up or down."""
    steps = {int(after) - int(before) for before, after in itertools.pairwise(pin)}
    return len(steps) == 1 and steps <= {-1, 0, 1}


def in_utc(moment: datetime) -> datetime:
    """Return a moment as claim files have it: UTC, whole seconds."""
    return moment.astimezone(UTC).replace(microsecond=0)
