"""Error rates of presentation-attack detection (ISO/IEC 30107-3).

A score at or above the threshold is held back. Every rate stands for one species alone. There is no figure
here that averages over species, or attacks and bona fide presentations: a mean hides the species that gets
through.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from inference.evaluation.intervals import supports, wilson
from inference.evaluation.metrics import NotMeasurable


class Rate(msgspec.Struct, frozen=True):
    """A share of presentations; interval_95: Wilson, presentations taken as independent."""

    errors: int
    presentations: int
    rate: float
    interval_95: tuple[float, float]


class WorstSpecies(msgspec.Struct, frozen=True):
    """The species that gets through most often, and how often."""

    species: str
    apcer: Rate


class AtThreshold(msgspec.Struct, frozen=True):
    """What one threshold gives.

    apcer: for each species the share of attacks below the threshold. bpcer: the share of bona fide
    presentations at or above it. supported: whether there were the 3 / rate presentations that a rate which
    was asked for takes (rule of three); True where none was asked for.
    """

    threshold: float
    apcer_worst: WorstSpecies
    apcer: dict[str, Rate]
    bpcer: Rate
    supported: bool


class AttackScores:
    """Attack scores of the presentations that gave a sample: of bona fide ones, and of each species."""

    def __init__(self, bona_fide: ArrayLike, attacks: Mapping[str, ArrayLike]) -> None:
        self.bona_fide = _sorted(bona_fide, "bona fide presentation")
        self.attacks = {name: _sorted(scores, f"attack of {name}") for name, scores in attacks.items()}
        if not self.attacks:
            raise NotMeasurable("no species of attack was given, so no APCER can be stated")

    def at(self, threshold: float, *, supported: bool = True) -> AtThreshold:
        """Return the rates at one threshold."""
        apcer = {
            name: rate(int(np.searchsorted(scores, threshold, side="left")), scores.size)
            for name, scores in self.attacks.items()
        }
        worst = max(apcer, key=lambda name: apcer[name].rate)
        held_back = self.bona_fide.size - int(np.searchsorted(self.bona_fide, threshold, side="left"))
        bpcer = rate(held_back, self.bona_fide.size)
        return AtThreshold(threshold, WorstSpecies(worst, apcer[worst]), apcer, bpcer, supported)

    def at_bpcer(self, bpcer: float) -> AtThreshold:
        """Return the rates at the lowest threshold that holds back at most this share of bona fide ones."""
        held_back = _allowed(bpcer, self.bona_fide.size)
        if held_back >= self.bona_fide.size:
            threshold = float(self.bona_fide[0])
        else:
            threshold = math.nextafter(float(self.bona_fide[-1 - held_back]), math.inf)
        return self.at(threshold, supported=supports(bpcer, self.bona_fide.size))

    def at_apcer(self, apcer: float) -> AtThreshold:
        """Return the rates at the highest threshold at which no species has a higher APCER than this."""
        threshold = min(
            float(scores[min(_allowed(apcer, scores.size), scores.size - 1)])
            for scores in self.attacks.values()
        )
        fewest = min(scores.size for scores in self.attacks.values())
        return self.at(threshold, supported=supports(apcer, fewest))

    def trade_off(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return BPCER and APCER of the worst species at every threshold that tells scores apart."""
        values = np.unique(np.concatenate([self.bona_fide, *self.attacks.values()]))
        thresholds = np.append(values, np.nextafter(values[-1], np.inf))
        passed = [np.searchsorted(scores, thresholds) / scores.size for scores in self.attacks.values()]
        bpcer = 1.0 - np.searchsorted(self.bona_fide, thresholds) / self.bona_fide.size
        return bpcer, np.max(passed, axis=0)


def rate(errors: int, presentations: int) -> Rate:
    """Return a share with its interval; of no presentation at all, 0 with the interval 0 to 1."""
    share = errors / presentations if presentations else 0.0
    return Rate(errors, presentations, share, wilson(errors, presentations))


def _allowed(share: float, presentations: int) -> int:
    return math.floor(share * presentations * (1 + 1e-12))


def _sorted(scores: ArrayLike, kind: str) -> NDArray[np.float64]:
    values = np.sort(np.asarray(scores, np.float64).ravel())
    if not values.size:
        raise NotMeasurable(f"no {kind} gave a sample with a face in it, so no error rate can be stated")
    if not np.isfinite(values).all():
        raise NotMeasurable(f"the score of a {kind} is not a finite number")
    return values
