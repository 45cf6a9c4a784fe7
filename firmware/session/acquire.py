"""From one presentation to one template: capture, assess, attack gate, extract; frames are wiped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from firmware.meter.samples import SampleMeter
from firmware.session.active_check import NotPassed
from firmware.session.face_watch import ActiveCheck, FaceWatch
from firmware.session.machine import Presentation, Show
from firmware.session.stages import Stages
from inference.attack import AttackDetector, Unchecked
from inference.face.detect import DetectedFace
from inference.face.embed import Sides
from inference.face.pipeline import FaceRecogniser, FaceSample
from inference.face.quality import covered
from inference.finger.pipeline import FingerRecogniser
from inference.runtime import Floats
from inference.types import FaceTemplate, Modality, Suspect, Template
from sensors.camera.port import Camera
from sensors.fingerprint.port import FingerprintReader
from sensors.frames import ColourFrame, FingerFrame, Retry, RetryReason
from sensors.worker import DeviceWorker

T = TypeVar("T")

LIFT_TIMEOUT_S = 3.0
"""How long to wait for the last finger to leave the platen; then a new capture is tried all the same."""


class InThread(Protocol):
    """Runs a blocking function in the one thread that owns what it touches."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """Return the result of `work`."""


class Viewfinder(Protocol):
    """Shows people what the camera sees of them while their face is taken. Called in the event loop."""

    def saw(self, frame: ColourFrame, found: DetectedFace | Retry) -> None:
        """Look at a frame and at what was found in it; the frame is wiped afterwards."""

    def forget(self) -> None:
        """Overwrite what is left of the frames."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """A template, and of its sample the attack score (None: no detector is fitted) and quality, 0 to 100."""

    template: Template
    attack_score: float | None
    quality: int = 0


class Acquirer:
    """Takes one template from the camera or the reader.

    camera, reader: None where the part is not fitted. in_inference: runs work in the inference thread.
    active_check: None where people are not asked to turn and to come closer.
    face_frames: how many frames make one face template. viewfinder: None where nothing is shown.
    """

    def __init__(
        self,
        *,
        camera: DeviceWorker[Camera] | None,
        reader: DeviceWorker[FingerprintReader] | None,
        face: FaceRecogniser | None,
        finger: FingerRecogniser | None,
        attack_detector: AttackDetector[FaceSample],
        in_inference: InThread,
        monotonic_ns: Callable[[], int],
        face_timeout_s: float,
        face_frames: int,
        finger_timeout_s: float,
        active_check: ActiveCheck | None = None,
        viewfinder: Viewfinder | None = None,
        meter: SampleMeter | None = None,
    ) -> None:
        self._camera = camera
        self._reader = reader
        self._face = face
        self._finger = finger
        self._attack_detector = attack_detector
        self._in_inference = in_inference
        self._monotonic_ns = monotonic_ns
        self._face_timeout_s = face_timeout_s
        self._face_frames = face_frames
        self._finger_timeout_s = finger_timeout_s
        self._active_check = active_check
        self._viewfinder = viewfinder
        self._meter = meter or SampleMeter()

    def fitted(self, modality: Modality) -> bool:
        """Tell whether the part for `modality` is configured (not whether it works now)."""
        return (self._camera if modality is Modality.FACE else self._reader) is not None

    async def acquire(
        self,
        presentation: Presentation,
        stages: Stages,
        show: Callable[[Show], None],
        *,
        lift_first: bool = False,
    ) -> Sampled | Retry | Suspect | NotPassed:
        """Return the template of one presentation, or why there is none.

        show: shows what an active check asks for. lift_first: a finger was just taken, so the platen must be
        seen empty before the next capture.
        Raises SensorError when the device is not available.
        """
        if presentation.modality is Modality.FACE:
            check = self._active_check
            watch = FaceWatch(check, presentation, show) if check is not None else None
            taken = await self._acquire_face(stages, watch)
        else:
            taken = await self._acquire_finger(presentation, stages, lift_first=lift_first)
        if isinstance(taken, Sampled):
            self._meter.good(presentation.modality, taken.quality)
        else:
            self._meter.missed(presentation.modality, _why(taken))
        return taken

    async def forget(self) -> None:
        """Overwrite what the networks' working memory still holds of the last person (some 20 ms)."""
        self._meter.session_over()
        if self._viewfinder is not None:
            self._viewfinder.forget()
        for recogniser in (self._face, self._finger):
            if recogniser is not None:
                await self._in_inference(recogniser.forget)

    async def _acquire_face(
        self, stages: Stages, watch: FaceWatch | None
    ) -> Sampled | Retry | Suspect | NotPassed:
        """Look at frames until one is good enough or the time is over; one blurred frame is not yet a try.

        While an active check goes on, it says itself when the time is over. The frames that follow the first
        good one, `face_frames` in all, are averaged with it.
        """
        camera, face = self._camera, self._face
        if camera is None or face is None:
            raise LookupError("no camera is fitted: the plan must not ask for a face")
        ends_ns = self._monotonic_ns() + int(self._face_timeout_s * 1e9)
        course: list[Floats] = []
        taken: list[Sampled] = []
        left = self._face_frames
        result: Sampled | Retry | Suspect = Retry(RetryReason.NO_FACE)
        try:
            while left and (left_s := (ends_ns - self._monotonic_ns()) / 1e9) > 0:
                with stages.timed("capture"):
                    frame = await camera.call(partial(_capture, timeout_s=left_s))
                try:
                    found = await self._to_the_end(partial(_find, face, frame, stages))
                    if self._viewfinder is not None:
                        self._viewfinder.saw(frame, found)
                    now_ns = self._monotonic_ns()
                    passed = watch is None or watch.see(found, now_ns / 1e9)
                    if isinstance(passed, NotPassed):
                        return passed
                    if not passed:
                        ends_ns = now_ns + int(self._face_timeout_s * 1e9)
                    if isinstance(found, Retry):
                        result = found
                    elif passed:
                        result = await self._to_the_end(
                            partial(
                                self._face_template,
                                *(face, frame, found),
                                course=tuple(course),
                                sides=self._sides(len(taken)),
                                stages=stages,
                            )
                        )
                        if isinstance(result, Sampled):
                            taken.append(result)
                        elif isinstance(result, Suspect):
                            return result
                    if not isinstance(found, Retry):
                        course.append(found.landmarks)
                finally:
                    frame.wipe()
                left -= bool(taken)
            return _averaged(face, taken) if taken else result
        finally:
            for one in taken:
                one.template.wipe()

    async def _to_the_end(self, work: Callable[[], T]) -> T:
        """Run `work` in the inference thread; a cancelled call waits for its end and wipes what it made.

        Otherwise HELP would wipe the frame while the thread still reads it, and forget the template.
        """
        task = asyncio.ensure_future(self._in_inference(work))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            made = await task
            if isinstance(made, Sampled):
                made.template.wipe()
            raise

    def _sides(self, taken: int) -> Sides:
        """Of one frame the mean of both sides; of several, one each in turn, which takes half the time."""
        if self._face_frames == 1:
            return Sides.BOTH
        return Sides.MIRRORED if taken % 2 else Sides.AS_SEEN

    def _face_template(
        self,
        face: FaceRecogniser,
        frame: ColourFrame,
        found: DetectedFace,
        *,
        course: Sequence[Floats],
        sides: Sides,
        stages: Stages,
    ) -> Sampled | Retry | Suspect:
        """course: landmarks of this presentation's frames before this one."""
        with stages.timed("quality"):
            assessed = face.judge(frame, found, course)
        if isinstance(assessed, Retry):
            return assessed
        try:
            reason = covered(assessed.quality)
            if reason is not None:
                return Retry(reason)
            with stages.timed("quality"):
                live = self._attack_detector.check(assessed)
            if isinstance(live, Suspect):
                return live
            with stages.timed("template"):
                return Sampled(face.template(live, sides), live.attack_score, assessed.quality.score)
        finally:
            assessed.sample.wipe()

    async def _acquire_finger(
        self, presentation: Presentation, stages: Stages, *, lift_first: bool
    ) -> Sampled | Retry:
        reader, finger = self._reader, self._finger
        if reader is None or finger is None:
            raise LookupError("no fingerprint reader is fitted: the plan must not ask for a finger")
        if lift_first:
            await reader.call(lambda device: _wait_until_lifted(device, self._monotonic_ns))
        with stages.timed("capture"):
            frame = await reader.call(lambda device: device.capture(self._finger_timeout_s))
        if isinstance(frame, Retry):
            return frame
        try:
            return await self._in_inference(
                lambda: self._finger_template(finger, frame, presentation, stages)
            )
        finally:
            frame.wipe()

    def _finger_template(
        self, finger: FingerRecogniser, frame: FingerFrame, presentation: Presentation, stages: Stages
    ) -> Sampled | Retry:
        with stages.timed("quality"):
            assessed = finger.assess(frame)
        if isinstance(assessed, Retry):
            return assessed
        try:
            # No attack detector for fingers is fitted, and none is claimed.
            live = Unchecked().check(assessed)
            with stages.timed("template"):
                return Sampled(
                    finger.template(live, presentation.position), live.attack_score, assessed.quality.score
                )
        finally:
            assessed.sample.wipe()


def _why(missed: Retry | Suspect | NotPassed) -> RetryReason | None:
    match missed:
        case Retry(reason):
            return reason
        case NotPassed():
            return RetryReason.NO_FACE  # the time was over before a sample was taken
        case Suspect():
            return None


def _find(face: FaceRecogniser, frame: ColourFrame, stages: Stages) -> DetectedFace | Retry:
    with stages.timed("quality"):
        return face.find(frame)


def _averaged(face: FaceRecogniser, taken: Sequence[Sampled]) -> Sampled:
    """Make one of several samples of one presentation; the better frame weighs more."""
    templates = [one.template for one in taken if isinstance(one.template, FaceTemplate)]
    scores = [one.attack_score for one in taken if one.attack_score is not None]
    best = max(one.quality for one in taken)
    return Sampled(face.combine(templates), max(scores, default=None), best)


def _capture(camera: Camera, timeout_s: float) -> ColourFrame:
    return camera.capture(timeout_s)


def _wait_until_lifted(reader: FingerprintReader, monotonic_ns: Callable[[], int]) -> None:
    # Each query takes the sensor some 20 ms at 115200 baud, so this loop needs no pause of its own.
    ends_ns = monotonic_ns() + int(LIFT_TIMEOUT_S * 1e9)
    while reader.finger_present() and monotonic_ns() < ends_ns:
        pass
