"""What a ZhianTec module does with each command: packets in, packets out, without I/O and without a clock.

Source: R503 user manual 1.2.2 and AS60x communication manual.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from sensors.board.signals import RingColour, RingLight, RingMode
from sensors.emulator.faults import FaultKind, FaultSchedule
from sensors.emulator.images import Moisture, fit_to_model, with_moisture
from sensors.emulator.templates import MATCH_SCORES, TemplateUnit
from sensors.fingerprint.models import SensorModel, pack_pixels, unpack_pixels
from sensors.fingerprint.protocol import (
    BAUD_MULTIPLES,
    BAUD_STEP,
    DEFAULT_ADDRESS,
    Command,
    Confirmation,
    DecodeFault,
    Packet,
    PacketKind,
    Parameter,
    SkippedBytes,
)
from sensors.frames import Pixels

_SYSTEM_ID = 0x0009
_FADES = {5: RingMode.STEADY, 6: RingMode.OFF}
_COMMANDS_WITHOUT_PASSWORD = (Command.VERIFY_PASSWORD, Command.ECHO)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the module sends back: packets, then bare bytes; then it changes to `next_baud`."""

    packets: tuple[Packet, ...] = ()
    tail: bytes = b""
    next_baud: int | None = None


@dataclass(slots=True)
class ModuleSettings:
    """What a module keeps in its flash besides templates."""

    baud: int = 57_600
    packet_bytes: int = 128
    address: int = DEFAULT_ADDRESS
    password: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Finger:
    """What lies on the platen; pixels: (height, width) uint8, dark ridges."""

    pixels: Pixels
    moisture: Moisture = Moisture.NORMAL


class SensorModule:
    """One module: platen, image buffer, templates, ring.

    quality_gate: True, and GET_IMAGE itself refuses a dry or wet finger; False, and only the extraction does.
    """

    def __init__(
        self,
        model: SensorModel,
        settings: ModuleSettings,
        templates: TemplateUnit,
        faults: FaultSchedule,
        *,
        quality_gate: bool,
    ) -> None:
        self.settings = settings
        self.templates = templates
        self.finger: Finger | None = None
        self._model = model
        self._faults = faults
        self._quality_gate = quality_gate
        self.power_up()

    def power_up(self) -> None:
        """Lose what is in memory; library and settings stay."""
        self.ring: RingLight | None = None
        self.templates.power_up()
        self._image: Pixels | None = None
        self._moisture = Moisture.NORMAL
        self._unlocked = self.settings.password == 0
        self._incoming = bytearray()
        self._on_data: Callable[[bytes], None] | None = None

    def handle(self, item: Packet | DecodeFault) -> Reply:
        """Return the reply to what arrived."""
        match item:
            case Packet(address=address) if address != self.settings.address:
                return Reply()
            case Packet(kind=PacketKind.COMMAND, payload=payload):
                return self._run(payload)
            case Packet(kind=PacketKind.DATA | PacketKind.END_OF_DATA) as packet:
                self._take_data(packet)
                return Reply()
            case Packet() | SkippedBytes():
                return Reply()
            case _:
                return self._answer(Confirmation.PACKET_ERROR)

    def _run(self, payload: bytes) -> Reply:
        try:
            command = Command(payload[0])
            if not self._unlocked and command not in _COMMANDS_WITHOUT_PASSWORD:
                return self._answer(Confirmation.PASSWORD_REQUIRED)
            return self._execute(command, payload[1:])
        except (ValueError, IndexError, struct.error):
            # No such command, or its parameters are cut short or out of range.
            return self._answer(Confirmation.PACKET_ERROR)

    def _execute(self, command: Command, parameters: bytes) -> Reply:
        templates = self.templates
        match command:
            case Command.GET_IMAGE:
                return self._get_image()
            case Command.IMAGE_TO_CHARACTERISTICS:
                return self._extract(parameters[0])
            case Command.COMPARE:
                return self._answer(*templates.compare())
            case Command.SEARCH | Command.FAST_SEARCH:
                return self._answer(*templates.search(*struct.unpack(">BHH", parameters)))
            case Command.MAKE_TEMPLATE:
                return self._answer(*templates.merge())
            case Command.STORE:
                return self._answer(*templates.store(*struct.unpack(">BH", parameters)))
            case Command.LOAD:
                return self._answer(*templates.load(*struct.unpack(">BH", parameters)))
            case Command.UPLOAD_CHARACTERISTICS:
                return self._upload(templates.get(parameters[0]), Confirmation.UPLOAD_TEMPLATE_FAILED)
            case Command.DOWNLOAD_CHARACTERISTICS:
                return self._await_data(partial(templates.put, parameters[0]))
            case Command.UPLOAD_IMAGE:
                image = None if self._image is None else pack_pixels(self._image)
                return self._upload(image, Confirmation.UPLOAD_IMAGE_FAILED)
            case Command.DOWNLOAD_IMAGE:
                return self._await_data(self._take_image)
            case Command.DELETE:
                return self._answer(*templates.delete(*struct.unpack(">HH", parameters)))
            case Command.EMPTY:
                templates.library.clear()
                return self._answer(Confirmation.OK)
            case Command.SET_PARAMETER:
                return self._set_parameter(*struct.unpack(">BB", parameters))
            case Command.READ_PARAMETERS:
                return self._read_parameters()
            case Command.VERIFY_PASSWORD:
                return self._verify_password(*struct.unpack(">I", parameters))
            case Command.COUNT_TEMPLATES:
                return self._answer(Confirmation.OK, struct.pack(">H", len(templates.library)))
            case Command.READ_INDEX:
                return self._answer(*templates.index(parameters[0]))
            case Command.SET_RING:
                return self._set_ring(*struct.unpack(">BBBB", parameters))
            case Command.SOFT_RESET:
                self.power_up()
                return Reply(self._answer(Confirmation.OK).packets, tail=bytes((Confirmation.ECHO,)))
            case Command.ECHO:
                return self._answer(Confirmation.ECHO)

    def _get_image(self) -> Reply:
        if self.finger is None or self._faults.strike(FaultKind.NO_FINGER):
            return self._answer(Confirmation.NO_FINGER)
        self._moisture = self.finger.moisture
        if fault := self._faults.strike(FaultKind.DRY, FaultKind.WET):
            self._moisture = Moisture.DRY if fault.kind is FaultKind.DRY else Moisture.WET
        shown = with_moisture(fit_to_model(self.finger.pixels, self._model), self._moisture)
        self._image = shown & np.uint8(0xF0)
        refused = self._quality_gate and self._moisture is not Moisture.NORMAL
        return self._answer(self._moisture_code() if refused else Confirmation.OK)

    def _extract(self, buffer: int) -> Reply:
        if self._image is None:
            return self._answer(Confirmation.NO_IMAGE)
        if self._moisture is not Moisture.NORMAL:
            return self._answer(self._moisture_code())
        return self._answer(*self.templates.extract(self._image, buffer))

    def _moisture_code(self) -> Confirmation:
        # The R503 manual has no codes for dry and wet; it says "too few features" and "too disorderly".
        has_codes = not self._model.has_ring
        if self._moisture is Moisture.DRY:
            return Confirmation.TOO_DRY if has_codes else Confirmation.TOO_FEW_FEATURES
        return Confirmation.TOO_WET if has_codes else Confirmation.IMAGE_MESSY

    def _upload(self, data: bytes | None, refusal: Confirmation) -> Reply:
        if not data or self._faults.strike(FaultKind.NAK_UPLOAD):
            return self._answer(refusal)
        size = self.settings.packet_bytes
        chunks = [data[at : at + size] for at in range(0, len(data), size)]
        kinds = [PacketKind.DATA] * (len(chunks) - 1) + [PacketKind.END_OF_DATA]
        packets = (self._packet(kind, chunk) for kind, chunk in zip(kinds, chunks, strict=True))
        return Reply((*self._answer(Confirmation.OK).packets, *packets))

    def _await_data(self, take: Callable[[bytes], None]) -> Reply:
        self._incoming.clear()
        self._on_data = take
        return self._answer(Confirmation.OK)

    def _take_data(self, packet: Packet) -> None:
        self._incoming += packet.payload
        if packet.kind is PacketKind.END_OF_DATA and self._on_data is not None:
            self._on_data(bytes(self._incoming))
            self._on_data = None

    def _take_image(self, data: bytes) -> None:
        self._image = unpack_pixels(data, self._model) if len(data) == self._model.image_bytes else None
        self._moisture = Moisture.NORMAL

    def _set_parameter(self, number: int, value: int) -> Reply:
        done = self._answer(Confirmation.OK)
        match number:
            case Parameter.BAUD if value in BAUD_MULTIPLES:
                return Reply(done.packets, next_baud=value * BAUD_STEP)
            case Parameter.SECURITY_LEVEL if value in MATCH_SCORES:
                self.templates.security_level = value
            case Parameter.PACKET_SIZE if value <= 3:
                self.settings.packet_bytes = 32 << value
            case Parameter.BAUD | Parameter.SECURITY_LEVEL | Parameter.PACKET_SIZE:
                return self._answer(Confirmation.WRONG_REGISTER_CONTENT)
            case _:
                return self._answer(Confirmation.WRONG_REGISTER)
        return done

    def _read_parameters(self) -> Reply:
        settings = self.settings
        fields = struct.pack(
            ">HHHHIHH",
            (self._unlocked << 2) | ((self._image is not None) << 3),
            _SYSTEM_ID,
            self._model.capacity,
            self.templates.security_level,
            settings.address,
            (settings.packet_bytes // 32).bit_length() - 1,
            settings.baud // BAUD_STEP,
        )
        return self._answer(Confirmation.OK, fields)

    def _verify_password(self, password: int) -> Reply:
        if password != self.settings.password:
            return self._answer(Confirmation.WRONG_PASSWORD)
        self._unlocked = True
        return self._answer(Confirmation.OK)

    def _set_ring(self, mode: int, _speed: int, colour: int, _cycles: int) -> Reply:
        if not self._model.has_ring:
            return self._answer(Confirmation.PACKET_ERROR)
        self.ring = RingLight(_FADES.get(mode) or RingMode(mode), RingColour(colour))
        return self._answer(Confirmation.OK)

    def _answer(self, code: Confirmation, extra: bytes = b"") -> Reply:
        return Reply((self._packet(PacketKind.ACKNOWLEDGEMENT, bytes((code,)) + extra),))

    def _packet(self, kind: PacketKind, payload: bytes) -> Packet:
        return Packet(kind, payload, self.settings.address)
