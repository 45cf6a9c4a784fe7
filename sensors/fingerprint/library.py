"""The unmodified library behind types: the one place where its errors become faults of the sensor.

What is needed around adafruit-circuitpython-fingerprint 2.2.25: a refused command shows as RuntimeError or
UnboundLocalError; an image in small packets passes Python's recursion limit; `send_fpdata` reports success
when it was refused and drops a tail that fills no packet; `compare_templates` leaves its score as a tuple.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from adafruit_fingerprint import Adafruit_Fingerprint

from sensors.board.signals import RingLight
from sensors.errors import SensorError, SensorMisconfigured, SensorProtocolError, SensorRefused
from sensors.fingerprint.protocol import Command, Confirmation, Parameter
from sensors.fingerprint.uart import MAX_STALE_BYTES, CheckedUart

PROBE_SLOT = 1
REFERENCE_SLOT = 2
_RING_SPEED = 0x80  # a breath of about two seconds
_FOREVER = 0
_LIBRARY_ERRORS = (RuntimeError, UnboundLocalError, IndexError, TypeError, struct.error)


class SensorLibrary:
    """One sensor that has taken the password; every method raises a `SensorError` on a fault."""

    def __init__(self, uart: CheckedUart, password: int) -> None:
        self._uart = uart
        self._template_bytes: int | None = None

        def connect() -> None:
            self._library = Adafruit_Fingerprint(uart, tuple(password.to_bytes(4, "big")))

        self._ask("take the password", connect)

    @property
    def capacity(self) -> int:
        """Templates that the sensor's own library can hold."""
        return int(self._library.library_size)

    @property
    def packet_bytes(self) -> int:
        """Payload of a data packet."""
        return 32 << int(self._library.data_packet_size)

    def read_parameters(self) -> None:
        """Read the system parameters anew."""
        self._ask("report its parameters", self._library.read_sysparam)

    def set_parameter(self, parameter: Parameter, value: int) -> None:
        """Write a system parameter into the sensor's flash (the library then waits 0.25 s)."""
        self._ask(
            f"set {parameter.name} to {value}", lambda: self._library.set_sysparam(int(parameter), value)
        )

    def verify_password(self) -> None:
        """Give the password once more; the cheapest question that a well sensor answers."""
        self._ask("take the password", self._library.verify_password)

    def count_templates(self) -> int:
        """Return how many templates the sensor's own library holds."""
        self._ask("count its templates", self._library.count_templates)
        return int(self._library.template_count)

    def get_image(self, *outcomes: Confirmation) -> Confirmation:
        """Take an image into the sensor's buffer; codes among `outcomes` are returned, not raised."""
        return self._ask("take an image", self._library.get_image, *outcomes)

    def upload_image(self) -> bytearray:
        """Return the packed image in the sensor's buffer."""
        return self._upload("upload the image", Command.UPLOAD_IMAGE)

    def extract(self, *outcomes: Confirmation) -> Confirmation:
        """Make characteristics of the image in the sensor's buffer."""
        return self._ask("extract characteristics", lambda: self._library.image_2_tz(PROBE_SLOT), *outcomes)

    def upload_characteristics(self) -> bytes:
        """Return the characteristics of the probe; their length tells what this sensor calls a template."""
        data = bytes(self._upload("upload characteristics", Command.UPLOAD_CHARACTERISTICS, PROBE_SLOT))
        self._template_bytes = len(data)
        return data

    def compare(self, reference: bytes) -> int:
        """Return the sensor's comparison score of the probe with `reference`, 0 when they do not match."""
        if self._template_bytes is None:
            raise RuntimeError("extract the probe's characteristics before comparing them")
        if len(reference) != self._template_bytes:
            raise SensorMisconfigured(
                f"the reference has {len(reference)} bytes and this reader makes {self._template_bytes}: "
                "it was made by another model, so register the finger on this one"
            )
        if len(reference) % self.packet_bytes:
            raise SensorMisconfigured(
                f"{len(reference)} bytes do not fill packets of {self.packet_bytes}: set smaller packets"
            )
        self._ask(
            "take characteristics",
            lambda: self._library.send_fpdata(list(reference), "char", REFERENCE_SLOT),
        )
        outcome = self._ask("compare", self._library.compare_templates, Confirmation.NO_MATCH)
        return int(self._library.confidence[0]) if outcome is Confirmation.OK else 0

    def set_ring(self, light: RingLight) -> None:
        """Light the ring until told otherwise."""
        self._ask(
            "light its ring",
            lambda: self._library.set_led(light.colour.value, light.mode.value, _RING_SPEED, _FOREVER),
        )

    def close(self) -> None:
        """Free the port. May be called twice, and never raises."""
        self._uart.close()

    def _upload(self, what: str, command: Command, *parameters: int) -> bytearray:
        # Not get_fpdata: it recurses once for each packet, and 1,152 packets of 32 bytes are too deep.
        self._ask(what, lambda: self._uart.ask(command, *parameters))
        return self._uart.receive_data(MAX_STALE_BYTES)

    def _ask(self, what: str, call: Callable[[], object], *outcomes: Confirmation) -> Confirmation:
        """Run one library call and judge it by the verified answer, since the library hides refusals."""
        failure: Exception | None = None
        try:
            call()
        except SensorError:
            raise
        except _LIBRARY_ERRORS as error:
            failure = error
        code = self._uart.answer
        if code is not None:
            confirmation = Confirmation(code)
            if confirmation in outcomes or (confirmation is Confirmation.OK and failure is None):
                return confirmation
            if confirmation is not Confirmation.OK:
                raise SensorRefused(_refusal(what, code)) from failure
        raise SensorProtocolError(
            f"the fingerprint reader's answer to {what!r} makes no sense; open it anew"
        ) from failure


def _refusal(what: str, code: int) -> str:
    confirmation = Confirmation(code)
    match confirmation:
        case Confirmation.WRONG_PASSWORD | Confirmation.PASSWORD_REQUIRED:
            advice = "set the password that was given to this reader"
        case Confirmation.PACKET_ERROR:
            advice = "check the cable, or this model has no such command"
        case _:
            advice = "open it anew, and replace it when that does not help"
    return f"the fingerprint reader refused to {what} (0x{code:02X}, {confirmation.meaning}): {advice}"
