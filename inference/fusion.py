"""Score-level fusion: samples of one instance, several fingers, and face with fingers.

An instance is one face or one finger of one person; its position tells fingers apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from inference.face.compare import fmr_ratio
from inference.operating_point import OperatingPoint
from inference.operating_point_file import modality_of
from inference.types import ComparisonScore, FingerPosition, Modality


@dataclass(frozen=True, slots=True)
class Evidence:
    """One comparison score and the instance it speaks of; a face has no position.

    Fingers of unknown position count as one and the same finger, since nothing shows that they differ.
    """

    score: ComparisonScore
    position: FingerPosition | None = None

    def __post_init__(self) -> None:
        if (self.position is None) != (self.score.modality is Modality.FACE):
            raise ValueError("a finger score needs its finger position, and a face score has none")


@dataclass(frozen=True, slots=True)
class FusedScore:
    """The weight of all evidence together.

    llr: log-likelihood ratio, natural logarithm. sources: one name for each instance, sorted; this is what
    `OperatingPoint.threshold` asks for. price_nats: what was taken off for several samples and frames.
    """

    llr: float
    sources: tuple[str, ...]
    price_nats: float = 0.0


def fuse(scores: Sequence[Evidence], point: OperatingPoint) -> FusedScore:
    """Combine comparison scores of one claim into one log-likelihood ratio.

    Samples of one instance: the best one counts, less `best_of_nats * ln(k)` for k samples. The best of k
    would raise the false match rate up to k times; the price is what lowers the rate of this source by k.
    In the same way a score pays for its `fmr_ratio`: `best_of_nats * ln(fmr_ratio)`.

    Instances: the sum. Different fingers and the face of an impostor resemble those of the other person
    independently, so likelihood ratios multiply. Each is clipped to what its data can support, so that no
    single instance outweighs more comparisons than were ever made.
    """
    if not scores:
        raise ValueError("fusion needs at least one comparison score")
    instances: dict[tuple[Modality, FingerPosition | None], list[ComparisonScore]] = {}
    for evidence in scores:
        instances.setdefault((evidence.score.modality, evidence.position), []).append(evidence.score)
    parts = sorted(
        (_best_of(samples, point) for samples in instances.values()), key=lambda part: (part.source, part.llr)
    )
    return FusedScore(
        math.fsum(part.llr for part in parts),
        tuple(part.source for part in parts),
        math.fsum(part.price_nats for part in parts),
    )


class _Part(NamedTuple):
    """One instance; in the order of what makes the best sample."""

    llr: float
    lower_llr: float
    source: str
    price_nats: float


def _best_of(samples: Iterable[ComparisonScore], point: OperatingPoint) -> _Part:
    """Return what the best sample of one instance says, less its price."""
    measured = [(point.source(sample.source), sample) for sample in samples]
    choice = max(source.best_of_nats for source, _ in measured) * math.log(len(measured))
    best = max(
        _Part(source.calibration.llr(sample.raw) - price, source.calibration.lower_llr, sample.source, price)
        for source, sample in measured
        for price in [point.price_nats(sample.source, sample.fmr_ratio)]
    )
    return best._replace(llr=max(best.llr - choice, best.lower_llr), price_nats=best.price_nats + choice)


def usual_price_nats(point: OperatingPoint, source: str, probe_frames: int, reference_frames: int) -> float:
    """Return what one sample of this source pays; a face template is the mean of so many frames."""
    if modality_of(source) is not Modality.FACE:
        return 0.0
    return point.price_nats(source, fmr_ratio(probe_frames, reference_frames))
