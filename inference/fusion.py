"""Score-level fusion: samples of one instance, several fingers, and face with fingers.

An instance is one face or one finger of one person; its position tells fingers apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inference.operating_point import OperatingPoint
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
    `OperatingPoint.threshold` asks for.
    """

    llr: float
    sources: tuple[str, ...]


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
    parts = sorted((_best_of(samples, point) for samples in instances.values()), key=lambda part: part[::-1])
    return FusedScore(math.fsum(llr for llr, _ in parts), tuple(source for _, source in parts))


def _best_of(samples: Iterable[ComparisonScore], point: OperatingPoint) -> tuple[float, str]:
    """Return the LLR and the source of one instance."""
    measured = [(point.source(sample.source), sample) for sample in samples]
    price = max(source.best_of_nats for source, _ in measured) * math.log(len(measured))
    llr, lower, name = max(
        (
            source.calibration.llr(sample.raw) - source.best_of_nats * math.log(sample.fmr_ratio),
            source.calibration.lower_llr,
            sample.source,
        )
        for source, sample in measured
    )
    return max(llr - price, lower), name
