"""Builds what recognises people: the models for the fitted sensors, the operating point, the matcher, and
what captures for them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from firmware.clock import Clock
from firmware.config import Config
from firmware.meter.samples import SampleMeter
from firmware.page.viewfinder import LiveView
from firmware.protection import TemplateProtection
from firmware.session.acquire import Acquirer, InThread
from firmware.session.face_watch import ActiveCheck
from firmware.session.matching import Matcher, Policy
from firmware.store.thread import RunInStore
from inference import operating_point
from inference.attack import AttackDetector, Unchecked
from inference.face.attack import FaceAttackDetector
from inference.face.pipeline import FaceRecogniser, FaceSample, build_face_recogniser
from inference.finger.pipeline import FingerRecogniser, build_finger_recogniser
from inference.models.catalogue import Catalogue
from inference.operating_point import OperatingPoint
from inference.runtime import RuntimeName
from inference.types import Modality
from sensors.camera.port import Camera
from sensors.fingerprint.port import FingerprintReader
from sensors.worker import DeviceWorker
from trust.consent import Purpose


@dataclass(frozen=True, slots=True)
class Measured:
    """What an operating point has to be measured with: models by their modality, and the fitted sources."""

    made_by: Mapping[Modality, str]
    sources: tuple[str, ...]

    def point(self, path: Path | None) -> OperatingPoint:
        """Load an operating point, None for the shipped one. Raises OperatingPointRefused."""
        point = operating_point.load(path or operating_point.DEFAULT, self.made_by)
        for source in self.sources:
            point.source(source)  # refuse at the start, not at the first person
        return point


@dataclass(frozen=True, slots=True)
class Recognition:
    """face, finger: None where no sensor of that kind is fitted, so that its models take no memory."""

    face: FaceRecogniser | None
    finger: FingerRecogniser | None
    matcher: Matcher
    attack_detector: AttackDetector[FaceSample]
    measured: Measured


def build_recognition(
    config: Config, protection: TemplateProtection, catalogue: Catalogue | None = None
) -> Recognition:
    """Load models and operating point; protection: of the gallery that is searched.

    Raises InferenceError with what to do; takes 0.1 to 0.3 s.
    """
    models = catalogue or Catalogue()
    runtime, threads = RuntimeName(config.inference.runtime), config.inference.threads
    face = build_face_recogniser(models, runtime, threads) if config.camera is not None else None
    finger = build_finger_recogniser(models, runtime, threads) if config.fingerprint is not None else None
    made_by: dict[Modality, str] = {}
    if face is not None:
        made_by[Modality.FACE] = face.made_by
    if finger is not None:
        made_by[Modality.FINGER] = finger.scored_by
    sources = ["face"] if config.camera is not None else []
    if config.fingerprint is not None:
        sources.append(f"finger/{config.fingerprint.model}")
    measured = Measured(made_by, tuple(sources))
    point = measured.point(config.inference.operating_point)
    policy = Policy(config.policy.fmr, config.policy.fpir)
    matcher = Matcher(face, finger, point, policy, sources, protection, config.session.frames_compared())
    detector = FaceAttackDetector() if config.attack.passive else Unchecked()
    return Recognition(face, finger, matcher, detector, measured)


def build_acquirer(
    config: Config,
    recognition: Recognition,
    camera: DeviceWorker[Camera] | None,
    reader: DeviceWorker[FingerprintReader] | None,
    in_inference: InThread,
    clock: Clock,
    *,
    viewfinder: LiveView | None,
    meter: SampleMeter,
) -> Acquirer:
    """Return what makes a template of one presentation, by these sensors and models."""
    session, attack = config.session, config.attack
    return Acquirer(
        camera=camera,
        reader=reader,
        face=recognition.face,
        finger=recognition.finger,
        attack_detector=recognition.attack_detector,
        in_inference=in_inference,
        monotonic_ns=clock.monotonic_ns,
        face_timeout_s=session.face_timeout_s,
        face_frames=session.face_frames,
        finger_timeout_s=session.finger_timeout_s,
        active_check=ActiveCheck(random.SystemRandom(), attack.order_timeout_s) if attack.active else None,
        viewfinder=viewfinder,
        meter=meter,
    )


async def take_up_gallery(
    in_store: RunInStore, in_inference: InThread, matcher: Matcher, purpose: Purpose
) -> tuple[int, list[str]]:
    """Take the stored gallery into memory; returns how many entries, and why some are refused.

    The next entries are read while the ones before are taken in.
    """
    refused, unread = list[str](), list[str]()
    batches = await in_store(
        lambda store: store.gallery.batches(purpose, lambda damage: unread.append(str(damage)))
    )
    entries = 0
    batch = await in_store(lambda _: next(batches, None))
    while batch is not None:
        entries += len(batch)
        taken, batch = await asyncio.gather(
            in_inference(partial(matcher.take_up_all, batch)), in_store(lambda _: next(batches, None))
        )
        refused += taken
    return entries + len(unread), unread + refused
