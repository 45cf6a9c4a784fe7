"""Several frames make one face template, and nothing of them stays."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

import numpy as np
import pytest

from firmware.demo.build_assets import load_face
from firmware.demo.views import ViewCondition, empty_room, face_view
from firmware.session.acquire import Acquirer, Sampled
from firmware.session.machine import Presentation
from firmware.session.stages import Stages
from inference.attack import Unchecked
from inference.face.embed import Sides
from inference.face.pipeline import FaceRecogniser, build_face_recogniser
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from inference.types import Assessed, FaceTemplate, Modality
from sensors.camera.port import Camera, CameraInfo
from sensors.frames import ColourFrame, DeviceIdentity, Pixels, Retry, RetryReason
from sensors.worker import DeviceWorker

T = TypeVar("T")
IDENTITY = DeviceIdentity("list", "test")
MILLISECOND_NS = 1_000_000
GOOD_VIEW = ViewCondition()


class ListCamera(Camera):
    """Gives one picture after the other, the last one again and again, and keeps the frames it gave."""

    def __init__(self, pictures: Sequence[Pixels]) -> None:
        self._pictures = list(pictures)
        self.given: list[ColourFrame] = []

    @property
    def info(self) -> CameraInfo:
        return CameraInfo(IDENTITY, 640, 480, "list")

    def capture(self, timeout_s: float) -> ColourFrame:
        picture = self._pictures[min(len(self.given), len(self._pictures) - 1)]
        self.given.append(ColourFrame(picture.copy(), IDENTITY, taken_at_s=0.0))
        return self.given[-1]

    def self_test(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def recogniser() -> FaceRecogniser:
    return build_face_recogniser(Catalogue(), RuntimeName.LITERT)


@pytest.fixture
async def workers() -> AsyncIterator[list[DeviceWorker[Camera]]]:
    started: list[DeviceWorker[Camera]] = []
    yield started
    for worker in started:
        await worker.stop()


async def acquire(
    camera: ListCamera, recogniser: FaceRecogniser, frames: int, workers: list[DeviceWorker[Camera]]
) -> object:
    worker: DeviceWorker[Camera] = DeviceWorker("camera", lambda: camera, lambda _available, _error: None)
    workers.append(worker)
    await worker.start()
    moments = itertools.count(0, MILLISECOND_NS)

    async def at_once(work: Callable[[], T], /) -> T:
        return work()

    acquirer = Acquirer(
        camera=worker,
        reader=None,
        face=recogniser,
        finger=None,
        attack_detector=Unchecked(),
        in_inference=at_once,
        monotonic_ns=lambda: next(moments),
        face_timeout_s=0.1,
        face_frames=frames,
        finger_timeout_s=1.0,
    )
    return await acquirer.acquire(Presentation(Modality.FACE), Stages(lambda: 0), lambda _show: None)


def view(seed: int, condition: ViewCondition = GOOD_VIEW) -> Pixels:
    return face_view(load_face("collins.jpg"), seed, condition)


def template(recogniser: FaceRecogniser, pixels: Pixels, sides: Sides) -> FaceTemplate:
    assessed = recogniser.assess(ColourFrame(pixels, IDENTITY, taken_at_s=0.0))
    assert isinstance(assessed, Assessed)
    return recogniser.template(Unchecked().check(assessed), sides)


async def test_the_frames_from_the_first_good_one_on_are_averaged_and_all_are_wiped(
    recogniser: FaceRecogniser, workers: list[DeviceWorker[Camera]]
) -> None:
    hurried = ViewCondition(tilt_deg=8, brightness=0.7)
    pictures = [empty_room(1), view(1), view(2, hurried), view(3)]
    camera = ListCamera(pictures)
    sampled = await acquire(camera, recogniser, 2, workers)
    assert isinstance(sampled, Sampled)
    assert isinstance(sampled.template, FaceTemplate)
    sides = (Sides.AS_SEEN, Sides.MIRRORED)
    expected = recogniser.combine(
        [template(recogniser, *each) for each in zip(pictures[1:3], sides, strict=True)]
    )
    np.testing.assert_allclose(sampled.template.embedding, expected.embedding, atol=1e-5)
    assert len(camera.given) == 3
    assert not any(frame.pixels.any() for frame in camera.given)


async def test_one_good_frame_before_the_person_walks_off_is_enough(
    recogniser: FaceRecogniser, workers: list[DeviceWorker[Camera]]
) -> None:
    camera = ListCamera([view(1), empty_room(1)])
    sampled = await acquire(camera, recogniser, 4, workers)
    assert isinstance(sampled, Sampled)
    assert isinstance(sampled.template, FaceTemplate)
    alone = template(recogniser, view(1), Sides.AS_SEEN)
    np.testing.assert_allclose(sampled.template.embedding, alone.embedding, atol=1e-5)
    assert len(camera.given) == 4, "the frames after the first good one are counted, good or not"


async def test_nobody_before_the_camera_is_a_retry_when_the_time_is_over(
    recogniser: FaceRecogniser, workers: list[DeviceWorker[Camera]]
) -> None:
    camera = ListCamera([empty_room(1)])
    assert await acquire(camera, recogniser, 2, workers) == Retry(RetryReason.NO_FACE)
    assert not any(frame.pixels.any() for frame in camera.given)
