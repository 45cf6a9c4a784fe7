"""The values that flow through inference: assessed samples, live samples, templates and scores.

The types make the order of the pipeline a rule: a template is made from a `Live` sample alone, and only an
attack detector makes one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from sensors.frames import RetryReason


@unique
class Modality(Enum):
    """What was presented (ISO/IEC 2382-37: biometric modality)."""

    FACE = "face"
    FINGER = "finger"


@unique
class FingerPosition(Enum):
    """Finger positions with the codes of ISO/IEC 19794-2, table 3."""

    UNKNOWN = 0
    RIGHT_THUMB = 1
    RIGHT_INDEX = 2
    RIGHT_MIDDLE = 3
    RIGHT_RING = 4
    RIGHT_LITTLE = 5
    LEFT_THUMB = 6
    LEFT_INDEX = 7
    LEFT_MIDDLE = 8
    LEFT_RING = 9
    LEFT_LITTLE = 10


@dataclass(frozen=True, slots=True)
class Quality:
    """How useful a sample is.

    score: 0 (useless) to 100 (best), unified quality score in the sense of ISO/IEC 29794-1.
    components: name to value, each 0 to 100, for the log and the screen.
    reasons: what the person can change, most helpful first; empty when the sample is good.
    """

    score: int
    components: dict[str, float] = field(default_factory=dict)
    reasons: tuple[RetryReason, ...] = ()


SampleT = TypeVar("SampleT")


@dataclass(frozen=True, slots=True, eq=False)
class Assessed(Generic[SampleT]):
    """A sample that is good enough to compare. `sample` is what the extractor needs, not the whole frame."""

    sample: SampleT
    quality: Quality


@dataclass(frozen=True, slots=True, eq=False)
class Live(Generic[SampleT]):
    """A sample that the attack detector let pass.

    attack_score: 0 (bona fide) to 1 (attack), or None where no detector is fitted: then no resistance to
    presentation attacks is claimed.
    """

    sample: SampleT
    quality: Quality
    attack_score: float | None


@dataclass(frozen=True, slots=True)
class Suspect:
    """A sample that the attack detector held back. It is never worded as an accusation.

    attack_score: 0 (bona fide) to 1 (attack); all that a record ever says of it.
    """

    attack_score: float


@dataclass(frozen=True, slots=True, eq=False)
class FaceTemplate:
    """An embedding of one face.

    embedding: shape (128,), float32, L2 norm 1.
    made_by: digest of the model file and name of the runtime, since int8 embeddings differ between runtimes.
    frames: how many frames it is the mean of.
    """

    embedding: NDArray[np.float32]
    quality: int
    made_by: str
    frames: int = 1

    @property
    def modality(self) -> Modality:
        """Always face."""
        return Modality.FACE

    def wipe(self) -> None:
        """Overwrite the embedding with zeros."""
        self.embedding[...] = 0


@dataclass(frozen=True, slots=True, eq=False)
class FingerTemplate:
    """The minutiae of one finger.

    minutiae: shape (n, 5), float32; columns x and y in pixels at 500 ppi (y down), direction in radians
    (counter-clockwise, y up), kind (0 ending, 1 bifurcation), and confidence 0 to 1; most confident first.
    width, height: size of the image in pixels at 500 ppi.
    sensor: model of the reader, since score calibration differs by reader.
    """

    minutiae: NDArray[np.float32]
    width: int
    height: int
    position: FingerPosition
    sensor: str
    quality: int
    made_by: str

    @property
    def modality(self) -> Modality:
        """Always finger."""
        return Modality.FINGER

    def wipe(self) -> None:
        """Overwrite the minutiae with zeros."""
        self.minutiae[...] = 0


Template = FaceTemplate | FingerTemplate


@dataclass(frozen=True, slots=True, eq=False)
class ProtectedFace:
    """A face embedding as a gallery keeps it: turned by the gallery's key (`inference.protection.face`).

    embedding: shape (128,), float32, L2 norm 1. key_id: names the key, and faces of one key alone compare.
    """

    embedding: NDArray[np.float32]
    quality: int
    made_by: str
    key_id: bytes
    frames: int = 1

    @property
    def modality(self) -> Modality:
        """Always face."""
        return Modality.FACE

    def wipe(self) -> None:
        """Overwrite the embedding with zeros."""
        self.embedding[...] = 0


@dataclass(frozen=True, slots=True, eq=False)
class ProtectedFinger:
    """A finger as a gallery keeps it: codes for the first pass of a search, and sealed minutiae.

    codes: shape (rows, 4), uint64 (`inference.protection.finger`); no rows where they are to be made anew.
    sealed: the template that the codes were made of, under a key that comes from the gallery's. key_id: names
    the gallery's key.
    """

    codes: NDArray[np.uint64]
    sealed: bytes
    position: FingerPosition
    sensor: str
    made_by: str
    key_id: bytes

    @property
    def modality(self) -> Modality:
        """Always finger."""
        return Modality.FINGER

    def wipe(self) -> None:
        """Overwrite the codes with zeros; what is sealed goes with its key."""
        self.codes[...] = 0


ProtectedTemplate = ProtectedFace | ProtectedFinger


@dataclass(frozen=True, slots=True)
class ComparisonScore:
    """One comparison of a probe with a reference, as the comparator gave it (ISO/IEC 2382-37).

    raw: the comparator's own scale, higher is more alike.
    source: what the calibration depends on: ``face``, or ``finger/R503``, ``finger/AS608`` and so on.
    fmr_ratio: how many times as often two people score this high as with the single samples that the
    calibration was made from.
    """

    modality: Modality
    raw: float
    source: str
    fmr_ratio: float = 1.0
