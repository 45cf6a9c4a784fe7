"""A virtual ZhianTec sensor on a pseudo-terminal, for tests, demonstrations and work without hardware."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import Final, Self

from sensors.board.signals import RingLight
from sensors.emulator.faults import WIRE_FAULTS, Fault, FaultKind, FaultSchedule
from sensors.emulator.images import Moisture
from sensors.emulator.module import Finger, ModuleSettings, Reply, SensorModule
from sensors.emulator.pty_port import SPEEDS, PtyPort
from sensors.emulator.templates import TemplateUnit
from sensors.fingerprint.models import find_model
from sensors.fingerprint.protocol import DEFAULT_ADDRESS, DecodeFault, Packet, PacketDecoder
from sensors.frames import Pixels

TEMPLATE_BYTES: Final = {"R503": 768, "AS608": 512, "R307": 512}
"""Length of characteristics by model; an R503 is also met with 1,536."""
_BITS_PER_BYTE = 10  # start bit, eight bits, stop bit
_NOISE = b"\x00\x55\xef\x00\xff"
_STOP_S = 5.0


class VirtualSensor:
    """One sensor that obeys the real protocol; connect to `port`.

    paced: send no faster than the baud rate allows (a pty has none of its own); `pause` waits, in seconds.
    template_bytes: length of characteristics, for R503 768 or 1,536. quality_gate: see `SensorModule`.
    Methods may be called from any thread; use it as a context manager, or call `start` and `close`.
    """

    def __init__(
        self,
        model: str = "R503",
        *,
        link: Path | None = None,
        baud: int = 57_600,
        packet_bytes: int = 128,
        address: int = DEFAULT_ADDRESS,
        password: int = 0,
        template_bytes: int | None = None,
        quality_gate: bool = True,
        paced: bool = False,
        pause: Callable[[float], object] | None = None,
        on_ring: Callable[[RingLight | None], None] | None = None,
    ) -> None:
        if baud not in SPEEDS:
            raise ValueError(f"a sensor talks at one of {', '.join(map(str, SPEEDS))} baud, not {baud}")
        found = find_model(model)
        self.model: Final = found
        self._faults = FaultSchedule()
        self._module = SensorModule(
            found,
            ModuleSettings(baud, packet_bytes, address=address, password=password),
            TemplateUnit(found.capacity, template_bytes or TEMPLATE_BYTES[found.name], self._faults),
            self._faults,
            quality_gate=quality_gate,
        )
        self._lock = Lock()
        self._paced = paced
        self._pause = pause
        self._on_ring = on_ring
        self._own_folder = Path(tempfile.mkdtemp(prefix="aidpost-sensor-")) if link is None else None
        self._link = link or Path(str(self._own_folder), "fingerprint")
        self._cable: PtyPort | None = None
        self._thread: Thread | None = None

    @property
    def port(self) -> str:
        """Path to open as a serial port; it stays the same over `unplug` and `plug`."""
        return str(self._link)

    @property
    def ring(self) -> RingLight | None:
        """What the ring shows, None since power-up."""
        with self._lock:
            return self._module.ring

    @property
    def baud(self) -> int:
        """The rate at which the sensor talks now."""
        return self._module.settings.baud

    @property
    def packet_bytes(self) -> int:
        """Payload of its data packets."""
        return self._module.settings.packet_bytes

    @property
    def stored(self) -> int:
        """Templates in its library."""
        with self._lock:
            return len(self._module.templates.library)

    @property
    def plugged(self) -> bool:
        """Whether the port exists now."""
        cable = self._cable
        return cable is not None and not cable.pulled

    def place(self, pixels: Pixels, moisture: Moisture = Moisture.NORMAL) -> None:
        """Put a finger on the platen: (height, width) uint8, dark ridges, of any size, near 500 ppi."""
        with self._lock:
            self._module.finger = Finger(pixels.copy(), moisture)

    def lift(self) -> None:
        """Take the finger away."""
        with self._lock:
            self._module.finger = None

    def arm(self, fault: Fault) -> None:
        """Let `fault` happen."""
        with self._lock:
            self._faults.arm(fault)

    def fill_library(self) -> None:
        """Store a template on every page, as a sensor that another system has used."""
        with self._lock:
            self._module.templates.fill()

    def plug(self) -> None:
        """Plug in: a new pseudo-terminal behind the same path, and the module powers up."""
        if self.plugged:
            return
        self.unplug()
        with self._lock:
            self._module.power_up()
        self._cable = PtyPort(self._link)
        self._thread = Thread(target=self._serve, args=(self._cable,), name="virtual-sensor", daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Pull the plug, in the middle of whatever is being sent; the host sees its port hang up."""
        if self._cable is not None and self._thread is not None:
            self._cable.pull()
            self._thread.join(_STOP_S)
            self._cable = self._thread = None

    def start(self) -> Self:
        """Plug the sensor in."""
        self.plug()
        return self

    def close(self) -> None:
        """Unplug for good. May be called twice."""
        self.unplug()
        if self._own_folder is not None:
            shutil.rmtree(self._own_folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self, cable: PtyPort) -> None:
        decoder = PacketDecoder()
        try:
            while not cable.pulled:
                chunk = cable.read()
                if cable.host_talks_at(self.baud):
                    for item in decoder.feed(chunk):
                        self._send(cable, self._handle(item))
                else:
                    # What a host says at another rate is noise to the sensor.
                    decoder = PacketDecoder()
        finally:
            cable.close()

    def _handle(self, item: Packet | DecodeFault) -> Reply:
        with self._lock:
            before = self._module.ring
            reply = self._module.handle(item)
            after = self._module.ring
        if after != before and self._on_ring is not None:
            self._on_ring(after)
        return reply

    def _send(self, cable: PtyPort, reply: Reply) -> None:
        for packet in reply.packets:
            with self._lock:
                fault = self._faults.strike(*WIRE_FAULTS)
            frame, whole = packet.encode(), True
            if fault is not None:
                frame, whole = _spoil(packet, fault)
                if fault.kind is FaultKind.LATE:
                    cable.pause(fault.delay_s)
            self._put(cable, frame)
            if fault is not None and fault.kind is FaultKind.UNPLUG:
                cable.pull()
            if not whole or cable.pulled:
                return
        self._put(cable, reply.tail)
        if reply.next_baud is not None:
            self._module.settings.baud = reply.next_baud

    def _put(self, cable: PtyPort, data: bytes) -> None:
        baud = self.baud
        if not cable.host_talks_at(baud):
            data = bytes(byte ^ 0xA5 for byte in data)
        cable.write(data)
        if self._paced and data:
            (self._pause or cable.pause)(len(data) * _BITS_PER_BYTE / baud)


def _spoil(packet: Packet, fault: Fault) -> tuple[bytes, bool]:
    """Return the bytes to send for `packet`, and whether the rest of the reply follows."""
    frame = packet.encode()
    match fault.kind:
        case FaultKind.CHECKSUM:
            return frame[:-1] + bytes((frame[-1] ^ 0x01,)), True
        case FaultKind.ADDRESS:
            return replace(packet, address=packet.address ^ 0x01).encode(), True
        case FaultKind.GARBAGE:
            return _NOISE + frame, True
        case FaultKind.SHORT | FaultKind.UNPLUG:
            return frame[: len(frame) // 2], False
        case _:
            return frame, True
