"""Operating points: what a comparison score means, and from where on it counts as a match.

`aidpost evaluate` makes the files (docs/operating-points.md); nothing else sets a threshold. All evidence is
a log-likelihood ratio (LLR, natural logarithm): ln P(score | same instance) - ln P(score | other instance).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum, unique
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.comparators import COMPARATORS
from inference.errors import OperatingPointRefused
from inference.operating_point_file import (
    NO_EVIDENCE_LLR,
    REMEDY,
    ImpostorTail,
    OperatingPointFile,
    SourcePoint,
    modality_of,
    read,
)
from inference.types import Modality

DEFAULT = Path(__file__).parent / "operating_points" / "default.json"
"""The operating point that this distribution brings, for its own models (`make operating-points`)."""

STRONG_FMR = 1e-4
FAIR_FMR = 1e-3


@dataclass(frozen=True, slots=True)
class Threshold:
    """The LLR from which on evidence is a match, for a false match rate.

    supported: the impostor comparisons behind it are enough to state `fmr` (rule of three), and a perfect
    score reaches it. Otherwise no rate may be claimed: `llr` rests on the calibration alone, or is out of
    reach.
    """

    llr: float
    fmr: float
    supported: bool


@dataclass(frozen=True, slots=True)
class GalleryTooLarge:
    """No supported threshold keeps the false positive identification rate for a gallery of this size."""

    gallery_size: int
    largest_size: int


@unique
class Strength(Enum):
    """How staff are told what a score is worth; `STRENGTH_MEANING` has the sentence for each."""

    STRONG = "strong"
    FAIR = "fair"
    WEAK = "weak"


STRENGTH_MEANING: Mapping[Strength, str] = {
    Strength.STRONG: "at most 1 in 10,000 other people would score this high",
    Strength.FAIR: "at most 1 in 1,000 other people would score this high",
    Strength.WEAK: "more than 1 in 1,000 other people could score this high",
}


class OperatingPoint:
    """An operating point that was checked against the models and comparators in use."""

    def __init__(self, content: OperatingPointFile) -> None:
        self._content = content

    @property
    def name(self) -> str:
        """Name of the operating point."""
        return self._content.name

    @property
    def digest(self) -> str:
        """Digest of the file, for the records."""
        return self._content.digest

    @property
    def sources(self) -> Mapping[str, SourcePoint]:
        """Every source of scores that is calibrated here."""
        return self._content.sources

    def source(self, name: str) -> SourcePoint:
        """Return what was measured for one source, or raise OperatingPointRefused."""
        try:
            return self._content.sources[name]
        except KeyError:
            known = ", ".join(sorted(self._content.sources)) or "none"
            raise OperatingPointRefused(
                f"operating point {self.name} has no calibration for {name} (it has: {known}); "
                f"make one with: aidpost evaluate {name.partition('/')[0]} ... --operating-point FILE"
            ) from None

    def price_nats(self, source: str, ratio: float) -> float:
        """Return what a score of this source pays when strangers reach it `ratio` times as often."""
        return self.source(source).best_of_nats * math.log(ratio)

    def threshold(self, sources: Collection[str], fmr: float, price_nats: float = 0.0) -> Threshold:
        """Return the threshold for evidence from `sources`, one entry for each face or finger compared.

        price_nats: what the score paid (`FusedScore.price_nats`). Scores are clipped at `upper_llr` and pay
        after that, so a threshold above the sum of the sources' `upper_llr` less the price is met by nobody:
        it is not supported. The last step of a grid lies above `upper_llr`, and so can such a threshold.

        One source: the smallest LLR whose false match rate was measured at `fmr` or below, or whose upper
        95 % bound is at or below it.

        Several sources: impostors are taken to score independently on different fingers and on face. The
        measured upper bounds of each source, rounded up to the next step, are convolved, so the bound of the
        sum is conservative wherever the independence holds.

        No threshold lies below 0, even where the rate would allow it: a match must be more likely from the
        same person than from another.

        Where the data end (fewer than 3 / FMR impostor comparisons), the threshold is -ln(fmr), marked as not
        supported: for a likelihood ratio E[LR | impostor] = 1, thus P(LR >= k | impostor) <= 1/k by Markov's
        inequality (Royall, J. Am. Stat. Assoc. 95, 2000, p. 760), and a product of independent ratios is
        one too. The margin of the calibration makes the measured mean at most 1; clipping at lower_llr adds
        at most exp(lower_llr) to each, which the threshold pays for.
        """
        points = [self.source(name) for name in sources]
        if not points or not 0.0 < fmr < 1.0:
            raise ValueError("a threshold needs at least one source and a false match rate between 0 and 1")
        found = []
        if len(points) == 1:
            found = [row.threshold_llr for row in points[0].rows if row.fmr <= fmr]
        first, bounds = _tail_of_sum([point.impostor_tail for point in points])
        within = np.flatnonzero(bounds <= fmr)
        if within.size:
            found.append(first + float(within[0]) * points[0].impostor_tail.step_nats)
        if found:
            llr = max(min(found), NO_EVIDENCE_LLR)
            return Threshold(llr, fmr, supported=llr <= _reach(points, price_nats))
        paid = sum(math.log1p(math.exp(point.calibration.lower_llr)) for point in points)
        return Threshold(-math.log(fmr) + paid, fmr, supported=False)

    def supported_fmr(self, sources: Collection[str], price_nats: float = 0.0) -> float:
        """Return the smallest false match rate that `threshold` supports for these sources; 1 for none."""
        points = [self.source(name) for name in sources]
        reach = _reach(points, price_nats)
        if reach < NO_EVIDENCE_LLR:
            return 1.0
        first, bounds = _tail_of_sum([point.impostor_tail for point in points])
        within = bounds[first + np.arange(bounds.size) * points[0].impostor_tail.step_nats <= reach]
        rows = points[0].rows if len(points) == 1 else ()
        measured = [row.fmr for row in rows if row.threshold_llr <= reach]
        return min([1.0, *map(float, within), *measured])

    def strength(self, llr: float, sources: Collection[str]) -> Strength:
        """Put a score into words; a rate that the data do not support is never claimed."""
        for strength, fmr in ((Strength.STRONG, STRONG_FMR), (Strength.FAIR, FAIR_FMR)):
            threshold = self.threshold(sources, fmr)
            if threshold.supported and llr >= threshold.llr:
                return strength
        return Strength.WEAK

    def for_gallery(
        self, sources: Collection[str], gallery_size: int, fpir: float = 0.01, price_nats: float = 0.0
    ) -> Threshold | GalleryTooLarge:
        """Return the threshold that keeps the false positive identification rate over the whole gallery."""
        if gallery_size < 1:
            raise ValueError("a gallery has at least one entry")
        fmr = -math.expm1(math.log1p(-fpir) / gallery_size)
        threshold = self.threshold(sources, fmr, price_nats)
        if threshold.supported:
            return threshold
        return GalleryTooLarge(gallery_size, self.largest_gallery(sources, fpir, price_nats))

    def largest_gallery(self, sources: Collection[str], fpir: float = 0.01, price_nats: float = 0.0) -> int:
        """Return the most entries for which a supported threshold keeps the rate of wrong suggestions."""
        fmr = self.supported_fmr(sources, price_nats)
        return math.floor(math.log1p(-fpir) / math.log1p(-fmr)) if fmr < 1.0 else 0

    @staticmethod
    def false_positive_identification_rate(gallery_size: int, fmr: float) -> float:
        """Return the chance that a person who is not in the gallery gets a suggestion: 1 - (1 - FMR)^N."""
        return -math.expm1(gallery_size * math.log1p(-fmr))

    @staticmethod
    def expected_false_suggestions(gallery_size: int, fmr: float) -> float:
        """Return how many wrong entries one search of a gallery brings up on average: N * FMR."""
        return gallery_size * fmr


def load(path: Path, made_by: Mapping[Modality, str]) -> OperatingPoint:
    """Read a file and check that it is whole and belongs to the models that make the templates.

    The comparators must be those of this release. Raises OperatingPointRefused.
    """
    content = read(path)
    for modality, maker in made_by.items():
        found = {name: point for name, point in content.sources.items() if modality_of(name) is modality}
        if not found:
            raise OperatingPointRefused(f"{path} has no {modality.value} scores; {REMEDY}")
        for name, point in found.items():
            if point.made_by != maker:
                raise OperatingPointRefused(
                    f"{path} was measured for {name} with other models ({point.made_by}) than those in use "
                    f"({maker}); {REMEDY}"
                )
            if point.comparator != COMPARATORS[modality]:
                raise OperatingPointRefused(
                    f"{path} was measured for {name} with another comparator ({point.comparator}) than the "
                    f"one in use ({COMPARATORS[modality]}); {REMEDY}"
                )
    return OperatingPoint(content)


def _reach(points: Collection[SourcePoint], price_nats: float) -> float:
    """Return the LLR of a perfect score on every source, after its price."""
    return math.fsum(point.calibration.upper_llr for point in points) - price_nats


def _tail_of_sum(tails: list[ImpostorTail]) -> tuple[float, NDArray[np.float64]]:
    """Return the first LLR of the sum and the bounds of P(sum >= first + k * step), shape (n,)."""
    first = sum(tail.first_llr for tail in tails)
    if len(tails) == 1:
        return first, np.asarray(tails[0].fmr_upper_bounds_95)
    mass = np.ones(1)
    for tail in tails:
        bounds = np.asarray(tail.fmr_upper_bounds_95)
        # What lies between two steps counts as the upper one, below the first as the first, above the last as
        # the step after it. Counted as the lower one, two scores of 0.4 would add up to no more than 0.
        mass = np.convolve(mass, np.concatenate(([1 - bounds[0]], bounds[:-1] - bounds[1:], bounds[-1:])))
    return first, np.minimum(np.cumsum(mass[::-1])[::-1], 1.0)
