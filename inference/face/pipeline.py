"""From a camera frame to a comparison score: detect, assess, embed, compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.face import compare as comparison
from inference.face.align import align
from inference.face.choose import choose_face
from inference.face.compare import FaceT
from inference.face.detect import DetectedFace, FaceDetector
from inference.face.embed import FaceEmbedder, Sides
from inference.face.quality import assess_face, unusable
from inference.models.catalogue import Catalogue, LoadedModel, made_by
from inference.runtime import Floats, RuntimeName
from inference.types import Assessed, ComparisonScore, FaceTemplate, Live
from sensors.frames import ColourFrame, Pixels, Retry

SURROUNDINGS = 3.5
"""Side of the scene about a face, in heights of its box: a print or screen that is held up fits into it."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceSample:
    """One aligned face with its surroundings; every array is its own, no view of the frame.

    crop: shape (112, 112, 3), uint8, blue, green, red. scene: what lies about the face, at the resolution of
    the frame, same kind. box: the face in the scene, as `DetectedFace.box`. course: landmarks of the frames
    of this presentation, oldest first, each of shape (5, 2), in pixels of the frame.
    """

    crop: Pixels
    scene: Pixels
    box: Floats
    course: tuple[Floats, ...]

    def wipe(self) -> None:
        """Overwrite the pixels with zeros."""
        self.crop[...] = 0
        self.scene[...] = 0


class FaceRecogniser:
    """The face pipeline. What runs a network belongs to one thread; comparison to any."""

    def __init__(self, detector: LoadedModel, embedder: LoadedModel) -> None:
        self._detector = FaceDetector(detector)
        self._embedder = FaceEmbedder(embedder)
        self._found_by = made_by(detector)
        self._made_by = made_by(embedder)

    @property
    def made_by(self) -> str:
        """What its templates say of their origin."""
        return self._made_by

    @property
    def found_by(self) -> str:
        """Model and runtime that find faces; an attack score depends on these alone."""
        return self._found_by

    def find(self, frame: ColourFrame) -> DetectedFace | Retry:
        """Find the face of whoever is presented in a frame of any size."""
        return choose_face(self._detector.detect(frame.pixels), frame.pixels)

    def assess(self, frame: ColourFrame) -> Assessed[FaceSample] | Retry:
        """Find the face in a frame of any size, judge and cut it out; no embedding is made yet."""
        face = self.find(frame)
        return face if isinstance(face, Retry) else self.judge(frame, face)

    def judge(
        self, frame: ColourFrame, face: DetectedFace, course: Sequence[Floats] = ()
    ) -> Assessed[FaceSample] | Retry:
        """Judge and cut out a face that `find` found in this frame.

        course: landmarks of the frames before this one in the same presentation.
        """
        face = self._detector.look_again(frame.pixels, face)
        crop = align(frame.pixels, face.landmarks)
        quality = assess_face(face, crop)
        reason = unusable(quality)
        if reason is not None:
            crop[...] = 0
            return Retry(reason)
        scene, box = _scene(frame.pixels, face)
        return Assessed(FaceSample(crop, scene, box, (*course, face.landmarks)), quality)

    def template(self, live: Live[FaceSample], sides: Sides = Sides.BOTH) -> FaceTemplate:
        """Embed a face that the attack detector let pass; the template's quality is the network's own."""
        embedding, quality = self._embedder.embed(live.sample.crop, sides)
        return FaceTemplate(embedding, quality, self._made_by)

    def compare(self, probe: FaceT, reference: FaceT) -> ComparisonScore:
        """Score how alike two faces are: their cosine.

        Raises `ComparisonRefused` when another model or runtime made one of them.
        """
        return comparison.compare(probe, reference)

    def combine(self, templates: Sequence[FaceT]) -> FaceT:
        """Make one template of several of one person; see `inference.face.compare.combine`."""
        return comparison.combine(templates)

    def forget(self) -> None:
        """Overwrite what the networks' working memory holds of the last person (about 12 ms)."""
        self._detector.forget()
        self._embedder.forget()


def _scene(pixels: Pixels, face: DetectedFace) -> tuple[Pixels, Floats]:
    reach = SURROUNDINGS / 2 * float(face.box[3])
    height, width = pixels.shape[:2]
    low = np.floor(face.centre - reach).clip(0).astype(int)
    high = np.ceil(face.centre + reach).clip(0, (width, height)).astype(int)
    box = face.box.copy()
    box[:2] -= low
    return pixels[low[1] : high[1], low[0] : high[0]].copy(), box


def build_face_recogniser(catalogue: Catalogue, runtime: RuntimeName, threads: int = 1) -> FaceRecogniser:
    """Load YuNet and SFace and build the pipeline around them."""
    return FaceRecogniser(
        detector=catalogue.load("yunet", runtime, threads), embedder=catalogue.load("sface", runtime, threads)
    )
