"""From a camera frame to a comparison score: detect, assess, embed, compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference.face import compare as comparison
from inference.face.align import align
from inference.face.choose import choose_face
from inference.face.detect import FaceDetector
from inference.face.embed import FaceEmbedder
from inference.face.quality import LEAST, assess_face
from inference.models.catalogue import Catalogue, LoadedModel, made_by
from inference.runtime import RuntimeName
from inference.types import Assessed, ComparisonScore, FaceTemplate, Live
from sensors.frames import ColourFrame, Pixels, Retry


@dataclass(frozen=True, slots=True, eq=False)
class FaceSample:
    """One aligned face; crop: shape (112, 112, 3), uint8, blue, green, red, no view of the frame."""

    crop: Pixels

    def wipe(self) -> None:
        """Overwrite the pixels with zeros."""
        self.crop[...] = 0


class FaceRecogniser:
    """The face pipeline. What runs a network belongs to one thread; comparison to any."""

    def __init__(self, detector: LoadedModel, embedder: LoadedModel) -> None:
        self._detector = FaceDetector(detector)
        self._embedder = FaceEmbedder(embedder)
        self._made_by = made_by(embedder)

    @property
    def made_by(self) -> str:
        """What its templates say of their origin."""
        return self._made_by

    def assess(self, frame: ColourFrame) -> Assessed[FaceSample] | Retry:
        """Find the face in a frame of any size, judge and cut it out; no embedding is made yet."""
        face = choose_face(self._detector.detect(frame.pixels), frame.pixels)
        if isinstance(face, Retry):
            return face
        sample = FaceSample(align(frame.pixels, face.landmarks))
        quality = assess_face(face, sample.crop)
        if quality.score < LEAST:
            sample.wipe()
            return Retry(quality.reasons[0])
        return Assessed(sample, quality)

    def template(self, live: Live[FaceSample]) -> FaceTemplate:
        """Embed a face that the attack detector let pass; the template's quality is the network's own."""
        embedding, quality = self._embedder.embed(live.sample.crop)
        return FaceTemplate(embedding, quality, self._made_by)

    def compare(self, probe: FaceTemplate, reference: FaceTemplate) -> ComparisonScore:
        """Score how alike two faces are: their cosine.

        Raises `ComparisonRefused` when another model or runtime made one of them.
        """
        return comparison.compare(probe, reference)

    def combine(self, templates: Sequence[FaceTemplate]) -> FaceTemplate:
        """Make one template of several of one person; see `inference.face.compare.combine`."""
        return comparison.combine(templates)

    def forget(self) -> None:
        """Overwrite what the networks' working memory holds of the last person (about 12 ms)."""
        self._detector.forget()
        self._embedder.forget()


def build_face_recogniser(catalogue: Catalogue, runtime: RuntimeName, threads: int = 1) -> FaceRecogniser:
    """Load YuNet and SFace and build the pipeline around them."""
    return FaceRecogniser(
        detector=catalogue.load("yunet", runtime, threads), embedder=catalogue.load("sface", runtime, threads)
    )
