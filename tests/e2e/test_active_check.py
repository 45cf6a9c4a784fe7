"""The active check before a camera: a real person's photographs follow the orders, one photograph cannot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from firmware.session.acquire import Acquirer, Sampled
from firmware.session.active_check import CheckOutcome, NotPassed
from firmware.session.face_watch import ActiveCheck
from firmware.session.machine import Presentation, Show
from firmware.session.stages import Stages
from inference.face.attack import FaceAttackDetector
from inference.face.pipeline import build_face_recogniser
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from inference.types import Modality
from sensors.board.signals import Signal
from sensors.camera.port import Camera, CameraInfo
from sensors.frames import ColourFrame, DeviceIdentity, Pixels
from sensors.worker import DeviceWorker
from tests.kit.uplink_rig import seeded

T = TypeVar("T")
FRAME_S = 0.1
REACTION_FRAMES = 3
FRONT, ASIDE = "Silvio_Berlusconi_0023.jpg", "Silvio_Berlusconi_0030.jpg"
"""The same person from the front, and turned to his right by some 40 degrees."""


class ActingCamera(Camera):
    """Sees a person who does what was shown, three frames after it; a frame takes 0.1 s of the clock."""

    def __init__(self, pictures: Mapping[Signal, Pixels]) -> None:
        self._pictures = pictures
        self._asked = Signal.LOOK_HERE
        self._frames_since = REACTION_FRAMES
        self._does = Signal.LOOK_HERE
        self.now_s = 0.0
        self.shown: list[Signal] = []

    def show(self, effect: Show) -> None:
        self._asked, self._frames_since = effect.signal, 0
        self.shown.append(effect.signal)

    @property
    def info(self) -> CameraInfo:
        return CameraInfo(DeviceIdentity("acting", "test"), 250, 250, "test")

    def capture(self, timeout_s: float) -> ColourFrame:
        self.now_s += FRAME_S
        self._frames_since += 1
        if self._frames_since > REACTION_FRAMES:
            self._does = self._asked
        pixels = self._pictures.get(self._does, self._pictures[Signal.LOOK_HERE])
        return ColourFrame(pixels.copy(), self.info.identity, self.now_s)

    def self_test(self) -> None:
        pass

    def close(self) -> None:
        pass


@asynccontextmanager
async def acquirer(camera: ActingCamera) -> AsyncIterator[Acquirer]:
    async def at_once(work: Callable[[], T], /) -> T:
        return work()

    def in_inference(work: Callable[[], T], /) -> Awaitable[T]:
        return at_once(work)

    worker: DeviceWorker[Camera] = DeviceWorker("camera", lambda: camera, lambda _available, _error: None)
    await worker.start()
    try:
        yield Acquirer(
            camera=worker,
            reader=None,
            face=build_face_recogniser(Catalogue(), RuntimeName.LITERT),
            finger=None,
            attack_detector=FaceAttackDetector(),
            in_inference=in_inference,
            monotonic_ns=lambda: int(camera.now_s * 1e9),
            face_timeout_s=2.0,
            face_frames=1,
            finger_timeout_s=1.0,
            active_check=ActiveCheck(seeded(5), order_timeout_s=3.0),
        )
    finally:
        await worker.stop()


async def present(camera: ActingCamera) -> object:
    async with acquirer(camera) as taking:
        stages = Stages(lambda: int(camera.now_s * 1e9))
        return await taking.acquire(Presentation(Modality.FACE), stages, camera.show)


def closer(pixels: Pixels) -> Pixels:
    """The middle of a picture, 1.3 times as large."""
    height, width = pixels.shape[:2]
    enlarged = cv2.resize(pixels, None, fx=1.3, fy=1.3, interpolation=cv2.INTER_LINEAR)
    top, left = (enlarged.shape[0] - height) // 2, (enlarged.shape[1] - width) // 2
    return np.ascontiguousarray(enlarged[top : top + height, left : left + width], np.uint8)


async def test_a_person_who_follows_is_taken_and_each_order_was_shown(shared_data: Path) -> None:
    folder = shared_data / "faces" / "lfw" / "Silvio_Berlusconi"
    front, right = (np.asarray(cv2.imread(str(folder / name)), np.uint8) for name in (FRONT, ASIDE))
    camera = ActingCamera(
        {
            Signal.LOOK_HERE: front,
            Signal.TURN_RIGHT: right,
            Signal.TURN_LEFT: np.ascontiguousarray(right[:, ::-1]),
            Signal.COME_CLOSER: closer(front),
        }
    )

    result = await present(camera)

    assert isinstance(result, Sampled)
    assert result.attack_score is not None
    orders = [signal for signal in camera.shown if signal is not Signal.LOOK_HERE]
    assert len(set(orders)) == 2
    assert camera.shown[-1] is Signal.LOOK_HERE


async def test_a_photograph_that_is_held_still_ends_in_time_without_a_template(shared_data: Path) -> None:
    front = cv2.imread(str(shared_data / "faces" / "lfw" / "Silvio_Berlusconi" / FRONT))
    camera = ActingCamera({Signal.LOOK_HERE: np.asarray(front, np.uint8)})

    assert await present(camera) == NotPassed(CheckOutcome.TIMED_OUT)
    assert camera.now_s < 6
