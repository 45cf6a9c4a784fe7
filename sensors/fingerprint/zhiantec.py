"""The driver of the ZhianTec sensors R503, AS608 and R307."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from sensors.board.signals import RingLight
from sensors.errors import SensorError, SensorProtocolError
from sensors.fingerprint.library import SensorLibrary
from sensors.fingerprint.models import MODELS, SensorModel, unpack_pixels
from sensors.fingerprint.port import FingerprintReader, ReaderInfo
from sensors.fingerprint.protocol import Confirmation
from sensors.frames import DeviceIdentity, FingerFrame, Retry, RetryReason

RETRY_REASONS: Mapping[Confirmation, RetryReason] = MappingProxyType(
    {
        Confirmation.NO_FINGER: RetryReason.NO_FINGER,
        Confirmation.IMAGE_FAILED: RetryReason.PRESS_MORE,
        Confirmation.TOO_DRY: RetryReason.TOO_DRY,
        Confirmation.TOO_WET: RetryReason.TOO_WET,
        Confirmation.IMAGE_MESSY: RetryReason.MOVE_FINGER,
        Confirmation.TOO_FEW_FEATURES: RetryReason.PRESS_MORE,
        Confirmation.NO_IMAGE: RetryReason.PRESS_MORE,
        Confirmation.RESIDUAL_PRINT: RetryReason.MOVE_FINGER,
    }
)
"""What a person can do about each code that speaks of the finger and not of the device."""
_POLL_S = 0.05  # without a finger the sensor itself takes about 0.1 s to say so


class ZhianTecReader(FingerprintReader):
    """One opened sensor; made by `sensors.fingerprint.opening.open_reader`. Closed by its first fault."""

    def __init__(
        self,
        library: SensorLibrary,
        model: SensorModel,
        port: str,
        baud: int,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._library = library
        self._model = model
        self._clock = clock
        self._sleep = sleep
        self._info = ReaderInfo(
            identity=DeviceIdentity(model.name, port),
            width=model.width,
            height=model.height,
            resolution_ppi=model.resolution_ppi,
            baud=baud,
            packet_bytes=library.packet_bytes,
            capacity=library.capacity,
            stored=library.count_templates(),
            has_ring=model.has_ring,
        )

    @property
    def info(self) -> ReaderInfo:
        """What was found when the reader was opened."""
        return self._info

    def capture(self, timeout_s: float) -> FingerFrame | Retry:
        """Wait up to `timeout_s` for a finger and return its image, or the reason to try again."""
        with self._closed_by_faults():
            if (retry := self._wait_for_finger(timeout_s)) is not None:
                return retry
            taken_at_s = self._clock()
            packed = self._library.upload_image()
            self._check_image_length(len(packed))
            pixels = unpack_pixels(packed, self._model)
            packed[:] = bytes(len(packed))
            return FingerFrame(pixels, self._model.resolution_ppi, self._info.identity, taken_at_s)

    def finger_present(self) -> bool:
        """Tell whether something lies on the platen now, readable or not."""
        with self._closed_by_faults():
            return self._library.get_image(*RETRY_REASONS) is not Confirmation.NO_FINGER

    def show(self, light: RingLight) -> None:
        """Light the ring; does nothing on a reader without one."""
        if not self._model.has_ring:
            return
        with self._closed_by_faults():
            self._library.set_ring(light)

    def self_test(self) -> None:
        """Return when electronics, flash and platen answer; raise a `SensorError` when one does not."""
        with self._closed_by_faults():
            self._library.verify_password()
            self._library.read_parameters()
            self._library.count_templates()
            self._library.get_image(*RETRY_REASONS)

    def extract_characteristics(self, timeout_s: float) -> bytes | Retry:
        """Wait up to `timeout_s` for a finger and return its characteristics in the sensor's own format.

        No image is sent, which makes this the fast path for 1:1: 768 bytes take 0.08 s at 115,200 baud.
        The characteristics stay in the sensor as the probe of `compare_on_sensor`.
        """
        with self._closed_by_faults():
            if (retry := self._wait_for_finger(timeout_s)) is not None:
                return retry
            outcome = self._library.extract(*RETRY_REASONS)
            if outcome is not Confirmation.OK:
                return Retry(RETRY_REASONS[outcome])
            return self._library.upload_characteristics()

    def compare_on_sensor(self, reference: bytes) -> int:
        """Return the sensor's score of the last extracted probe with `reference`; 0 is no match.

        The score is on the sensor's own scale, and its security level decides what is a match at all.
        """
        with self._closed_by_faults():
            return self._library.compare(reference)

    def close(self) -> None:
        """Free the port. May be called twice, and never raises."""
        self._library.close()

    def _wait_for_finger(self, timeout_s: float) -> Retry | None:
        deadline_s = self._clock() + timeout_s
        while (outcome := self._library.get_image(*RETRY_REASONS)) is Confirmation.NO_FINGER:
            left_s = deadline_s - self._clock()
            if left_s <= 0:
                break
            self._sleep(min(_POLL_S, left_s))
        return None if outcome is Confirmation.OK else Retry(RETRY_REASONS[outcome])

    def _check_image_length(self, received_bytes: int) -> None:
        if received_bytes == self._model.image_bytes:
            return
        fitting = [model.name for model in MODELS.values() if model.image_bytes == received_bytes]
        advice = f"set the model to {' or '.join(fitting)}" if fitting else "check the cable and the model"
        raise SensorProtocolError(
            f"fingerprint reader on {self._info.identity.unit} sent an image of {received_bytes} bytes where "
            f"{self._model.name} has {self._model.image_bytes}: {advice}"
        )

    @contextmanager
    def _closed_by_faults(self) -> Iterator[None]:
        # After a fault nobody knows what the sensor will still send; a fresh opening starts from silence.
        try:
            yield
        except SensorError:
            self.close()
            raise
