"""Error-versus-discard: what FNMR becomes when the samples of worst quality are not used.

P. Grother and E. Tabassi, "Performance of biometric quality measures", IEEE Trans. Pattern Analysis and
Machine Intelligence 29, 2007; also ISO/IEC 29794-1. A quality that predicts errors makes the curve fall.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from inference.evaluation.intervals import wilson
from inference.evaluation.measured import MeasuredSet

MOST_DROPPED = 0.5
_LEAST_GENUINE = 30


class Discarded(msgspec.Struct, frozen=True):
    """FNMR after all samples below a quality are dropped; dropped: their share of all samples."""

    quality_below: float
    dropped: float
    genuine: int
    fnmr: float
    interval_95: tuple[float, float]


class DiscardCurve(msgspec.Struct, frozen=True):
    """The curve at the threshold that all samples together have for an FMR; the first point drops none."""

    fmr: str
    threshold: float
    points: tuple[Discarded, ...]

    def nearest(self, shares: Sequence[float]) -> list[Discarded]:
        """Return the points that drop about these shares, each once; always the first, that drops none."""
        wanted = (0.0, *shares)
        near = [min(self.points, key=lambda point: abs(point.dropped - share)) for share in wanted]
        return list(dict.fromkeys(near))


def discard_curve(measured: MeasuredSet, fmr: str, threshold: float) -> DiscardCurve | None:
    """Drop the samples of each quality in turn, worst first, up to half of them.

    None where nothing is known of the samples, or all have one quality.
    """
    if measured.trials is None:
        return None
    quality = measured.trials.quality[np.isfinite(measured.trials.quality)]
    levels = np.unique(quality)
    if levels.size < 2:
        return None
    of_genuine, missed = measured.trials.genuine_quality, measured.genuine < threshold
    points: list[Discarded] = []
    for level in levels:
        dropped = float(np.mean(quality < level))
        kept = of_genuine >= level
        genuine, errors = int(np.count_nonzero(kept)), int(np.count_nonzero(missed & kept))
        if points and (dropped > MOST_DROPPED or genuine < _LEAST_GENUINE):
            break
        points.append(
            Discarded(
                quality_below=float(level),
                dropped=dropped,
                genuine=genuine,
                fnmr=errors / genuine,
                interval_95=wilson(errors, genuine),
            )
        )
    return DiscardCurve(fmr, threshold, tuple(points))
