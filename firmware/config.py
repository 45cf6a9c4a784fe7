"""The appliance's configuration: one TOML file, parsed once at the edge, unknown keys refused.

A part whose table is missing is not fitted; nothing is guessed and nothing falls back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from firmware.guard.settings import GuardSettings
from firmware.lease import LeaseLimits
from inference.types import FingerPosition
from sensors.board.settings import BoardDriver, BoardPins, BoardSettings
from sensors.camera.settings import CameraDriver, CameraSettings, PixelFormat
from sensors.fingerprint.opening import ReaderSettings
from trust.consent import Purpose
from trust.keys.guard import GuardKind
from trust.tls.address import LOOPBACK_OR_TLS, Address, AddressRefused

IDENTIFIER = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
Identifier = Annotated[str, msgspec.Meta(pattern=IDENTIFIER)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
LanguageTag = Annotated[str, msgspec.Meta(pattern=r"^(en|fr|es|ar|uk|sw)(-[A-Z]{2})?$")]
FingerName = Literal[
    "right thumb", "right index", "right middle", "right ring", "right little",
    "left thumb", "left index", "left middle", "left ring", "left little",
]  # fmt: skip


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the file, the key and what to do."""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Device(_Table, frozen=True, kw_only=True):
    """Who this appliance is, and the one site and purpose that its gallery serves.

    data: folder of the store. max_store_mb: the most that the store may take of the card, all by default.
    max_waiting_events: the most that may wait for the aggregator. min_free_share: of the disk. Where either
    is near, telemetry is dropped first, then registration stops; check-ins go on.
    """

    id: Identifier
    site: Identifier
    purpose: Purpose
    data: Path
    max_store_mb: Positive | None = None
    max_waiting_events: Annotated[int, msgspec.Meta(ge=1000)] = 200_000
    min_free_share: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.05


class Keys(_Table, frozen=True, kw_only=True):
    """What guards the keys of the store and of the device; each guard's promise is in `docs/keys.md`.

    tpm: where the TPM is, as tpm2-tss writes it. pcrs: what the `tpm` guard is bound to. burn: destroying
    spends the board of the `otp` guard. on_tamper: what opening the enclosure does to the keys.
    """

    guard: GuardKind
    tpm: str = "device:/dev/tpmrm0"
    pcrs: tuple[Annotated[int, msgspec.Meta(ge=0, le=23)], ...] = ()
    burn: bool = False
    on_tamper: Literal["destroy", "report"] = "destroy"

    def settings(self) -> GuardSettings:
        """Return what opens the guard."""
        return GuardSettings(self.guard, self.tpm, self.pcrs, self.burn)


class Fingerprint(_Table, frozen=True, kw_only=True):
    """The fingerprint reader on a UART; baud is where the search for it begins, password usually 0."""

    model: Literal["R503", "AS608", "R307"]
    port: str
    baud: Annotated[int, msgspec.Meta(ge=9600, le=115200, multiple_of=9600)] = 57600
    password: Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)] = 0

    def settings(self) -> ReaderSettings:
        """Return what opens the reader."""
        return ReaderSettings(self.model, self.port, self.baud, self.password)


class Camera(_Table, frozen=True, kw_only=True):
    """The camera; device is a V4L2 path, a folder or video to replay, or the number of a Pi camera.

    pixel_format: what picamera2 is asked for; the others ignore it. socket: of the service that opens the
    camera, as on the image; without it the appliance starts the camera's process itself.
    """

    driver: CameraDriver
    device: str = "0"
    width: Annotated[int, msgspec.Meta(ge=160, le=4096)] = 640
    height: Annotated[int, msgspec.Meta(ge=120, le=4096)] = 480
    pixel_format: PixelFormat = "RGB888"
    socket: Path | None = None

    def settings(self) -> CameraSettings:
        """Return what opens the camera. Raises SensorMisconfigured."""
        return CameraSettings(self.driver, self.device, self.width, self.height, self.pixel_format)


class Pins(_Table, frozen=True, kw_only=True):
    """BCM numbers of the board's pins; those that are left out have their usual place."""

    lamp_red: int | None = None
    lamp_green: int | None = None
    lamp_blue: int | None = None
    buzzer: int | None = None
    ok: int | None = None
    again: int | None = None
    help: int | None = None
    language: int | None = None
    tamper: int | None = None


class Board(_Table, frozen=True, kw_only=True):
    """Lamp, buzzer and buttons: on GPIO pins, or lines on the console for development."""

    driver: BoardDriver
    pins: Pins = Pins()

    def settings(self) -> BoardSettings:
        """Return what opens the board. Raises SensorMisconfigured."""
        given = {name: pin for name, pin in msgspec.structs.asdict(self.pins).items() if pin is not None}
        return BoardSettings(self.driver, BoardPins(**given))


class Inference(_Table, frozen=True, kw_only=True):
    """Which TFLite runtime, how many threads, and which operating point (the shipped one by default)."""

    runtime: Literal["litert", "tflite-runtime"] = "litert"
    threads: Annotated[int, msgspec.Meta(ge=1, le=8)] = 1
    operating_point: Path | None = None


class Session(_Table, frozen=True, kw_only=True):
    """How people are served.

    order: which modality is asked for first; fingers: asked for in this order.
    tries: presentations of one face or finger; impressions: samples of each at registration.
    face_frames: frames of one presentation that are averaged.
    """

    order: Annotated[tuple[Literal["face", "finger"], ...], msgspec.Meta(min_length=1)] = ("face", "finger")
    fingers: Annotated[tuple[FingerName, ...], msgspec.Meta(min_length=1)] = ("right index", "left index")
    tries: Annotated[int, msgspec.Meta(ge=1, le=5)] = 3
    impressions: Annotated[int, msgspec.Meta(ge=1, le=4)] = 2
    finger_timeout_s: Positive = 8.0
    face_timeout_s: Positive = 4.0
    face_frames: Annotated[int, msgspec.Meta(ge=1, le=5)] = 2

    def frames_compared(self) -> tuple[int, int]:
        """Return how many frames make the face of a probe, and that of a person who is registered."""
        return self.face_frames, self.face_frames * self.impressions

    def finger_positions(self) -> tuple[FingerPosition, ...]:
        """Return `fingers` as positions."""
        return tuple(FingerPosition[name.replace(" ", "_").upper()] for name in self.fingers)


class Attack(_Table, frozen=True, kw_only=True):
    """Presentation-attack detection on the face: no resistance is claimed.

    passive: signs of a picture hold a sample back. active: people are asked to turn and to come closer.
    order_timeout_s: how long each of these may take before the finger is asked for instead.
    """

    passive: bool = True
    active: bool = False
    order_timeout_s: Positive = 5.0


class Policy(_Table, frozen=True, kw_only=True):
    """What counts as sure enough: the false match rate of 1:1, and the rate of wrong suggestions of 1:few."""

    fmr: Annotated[float, msgspec.Meta(gt=0, le=0.01)] = 1e-4
    fpir: Annotated[float, msgspec.Meta(gt=0, le=0.05)] = 0.01


class Uplink(_Table, frozen=True, kw_only=True):
    """Where results go, as host:port, and the longest wait between two tries to connect.

    insecure_loopback: for development: no certificates and no encryption, to an aggregator on this machine.
    """

    target: str
    retry_cap_s: Positive = 60.0
    insecure_loopback: bool = False


class Page(_Table, frozen=True, kw_only=True):
    """The operator page: touch for the appliance's own screen, on loopback; tablet for the network, over TLS.

    certificate, key: PEM files for tablets; without them the appliance makes a certificate and keeps it.
    bystanders: whether /bystander shows the number that is served. rest_min: after so many minutes without an
    act staff are signed out. recordings: folder of spoken sentences (`make audio`), silent without it.
    languages: between which LANGUAGE changes, the site's own first. notices: folder of the site's own notice.
    lists: folder below which lists are offered, such as where memory sticks are mounted.
    """

    touch: str | None = "127.0.0.1:8080"
    tablet: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    bystanders: bool = True
    rest_min: Positive = 15.0
    recordings: Path | None = None
    notices: Path | None = None
    lists: Path | None = None
    languages: Annotated[tuple[LanguageTag, ...], msgspec.Meta(min_length=1)] = ("en",)

    def touch_address(self) -> Address | None:
        """Return where the appliance's own screen finds the page, None for nowhere. Raises ConfigError."""
        address = _address("touch", self.touch)
        if address is not None and not address.is_loopback:
            raise ConfigError(
                f"[page] touch = {self.touch!r} can be reached from the network without TLS: set touch = "
                '"127.0.0.1:8080", and tablet = "0.0.0.0:8443" for the network'
            )
        return address

    def tablet_address(self) -> Address | None:
        """Return where tablets find it, None for nowhere. Raises ConfigError."""
        touch, tablet = self.touch_address(), _address("tablet", self.tablet)
        if touch is not None and tablet is not None and tablet.overlaps(touch):
            raise ConfigError(
                f"[page] touch = {self.touch!r} and tablet = {self.tablet!r} are one port: name another "
                'for tablets, as "0.0.0.0:8443"'
            )
        return tablet


class Console(_Table, frozen=True, kw_only=True):
    """A console of the machine's own screen, such as /dev/tty1, on which the appliance says how it stands.

    For a machine without a browser; docs/first-boot.md. Another one than board.driver = "console" reads.
    """

    device: Path


class Gallery(_Table, frozen=True, kw_only=True):
    """The gallery that the appliances of the site share; without this table it stays on this appliance.

    custodian: the words that `aidpost custodian init` printed. minutes: how often to ask for changes; what
    changes here is handed in at once. daily_mb: the most that a day's syncing takes; erasures go beyond it.
    """

    custodian: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{4}(-[0-9a-f]{4}){7}$")]
    minutes: Positive = 15.0
    daily_mb: Positive = 20.0


class Site(_Table, frozen=True, kw_only=True):
    """The other appliances of this distribution point, in the local network alone.

    listen: where this one is heard by them, as address:port. peers: where each of them is, by its device id.
    """

    listen: str = "0.0.0.0:7443"
    peers: dict[Identifier, str]


class Retention(_Table, frozen=True, kw_only=True):
    """How long people are kept: the site's data policy, signed by an issuer (`aidpost policy sign`)."""

    policy: Path


class Support(_Table, frozen=True, kw_only=True):
    """What the site agrees to; staff see when it happens. log: that the desk follows the log for a while.

    That people sign in to the machine is agreed to on the card alone (`firmware.support.Consent`).
    """

    log: bool = False


class Lease(_Table, frozen=True, kw_only=True):
    """How long the keys live without contact to the aggregator: days of uptime, and boots."""

    uptime_days: Positive = 30.0
    boots: Annotated[int, msgspec.Meta(ge=1)] = 200

    def limits(self) -> LeaseLimits:
        """Return them as the lease counts them."""
        return LeaseLimits(int(self.uptime_days * 86_400e9), self.boots)


class Issuer(_Table, frozen=True, kw_only=True):
    """Whose lists and cards are taken: public keys as `aidpost cards keys` shows them."""

    keys: tuple[Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")], ...] = ()

    def trusted(self) -> tuple[bytes, ...]:
        """Return the keys, 32 bytes each."""
        return tuple(bytes.fromhex(key) for key in self.keys)


class Telemetry(_Table, frozen=True, kw_only=True):
    """How often the appliance tells how it is, and the most bytes that this takes of the store and the link.

    period_min: between two telemetries. daily_kb: of a day, before packing; where it does not do for the
    period, telemetry comes less often.
    """

    enabled: bool = True
    period_min: Annotated[float, msgspec.Meta(ge=1, le=1440)] = 15.0
    daily_kb: Annotated[float, msgspec.Meta(ge=1)] = 64.0


class Updates(_Table, frozen=True, kw_only=True):
    """How software that the desk desires comes here.

    most_mb: the most that one update may take of the link. Fetched are the blocks that neither slot holds; an
    update that needs more is refused, and raising this allows it, up to the whole bundle.
    """

    most_mb: Positive = 20.0


class Tracing(_Table, frozen=True, kw_only=True):
    """Where traces of decisions go: an OpenTelemetry collector over HTTP; without this table nowhere.

    endpoint: https, or http on this machine. share: of the decisions, 0 to 1; both ends choose the same ones.
    It uses the link outside of every budget, so it is for looking into something and not for every day.
    """

    endpoint: Annotated[str, msgspec.Meta(pattern=LOOPBACK_OR_TLS)]
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0


class Config(_Table, frozen=True, kw_only=True):
    """The whole file."""

    device: Device
    keys: Keys
    fingerprint: Fingerprint | None = None
    camera: Camera | None = None
    board: Board | None = None
    inference: Inference = Inference()
    session: Session = Session()
    attack: Attack = Attack()
    policy: Policy = Policy()
    uplink: Uplink | None = None
    site: Site | None = None
    page: Page | None = None
    console: Console | None = None
    lease: Lease | None = None
    gallery: Gallery | None = None
    retention: Retention | None = None
    issuer: Issuer = Issuer()
    telemetry: Telemetry = Telemetry()
    updates: Updates = Updates()
    tracing: Tracing | None = None
    support: Support = Support()


def refuse_contradictions(config: Config) -> None:
    """Raise ConfigError where tables do not go together."""
    if config.fingerprint is None and config.camera is None:
        raise ConfigError("no sensor: add a [fingerprint] or a [camera] table")
    if config.lease is not None and config.uplink is None:
        raise ConfigError("a [lease] is renewed through the uplink: add [uplink], or leave it out")
    if config.page is not None and (config.page.certificate is None) != (config.page.key is None):
        raise ConfigError("[page] needs both certificate and key, or neither")
    if config.page is not None:
        config.page.tablet_address()
    if config.site is not None and config.device.id in config.site.peers:
        raise ConfigError(
            f"[site.peers] names {config.device.id}, this appliance itself: it has the others alone"
        )
    if config.gallery is not None and (config.uplink is None or config.uplink.insecure_loopback):
        raise ConfigError("a [gallery] is shared through an [uplink] with certificates: join first")


def _address(key: str, text: str | None) -> Address | None:
    try:
        return None if text is None else Address.parse(text)
    except AddressRefused as error:
        raise ConfigError(f"[page] {key}: {error}") from error
