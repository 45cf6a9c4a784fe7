"""From what two prints agree on to one number: eight features and a small full-int8 network.

`finger-score.tflite` (built by inference/build/finger_score.py) is eight perceptrons side by side, each with
an output of its own. One int8 output has 256 levels, 0.12 nats apart over the range of the scores, which is
coarse where a threshold is set for one false match in thousands. The mean of eight that were trained on other
draws takes steps of an eighth of that, and errs less than one alone.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.finger.compare import Agreement
from inference.models.catalogue import LoadedModel

Floats: TypeAlias = NDArray[np.float32]

COMPARATOR = "cylinders-2"
"""Of the features and all that leads to them: `prepare`, `compare`, `align`. It changes with every change of
theirs; operating points measured before it are then refused. The network is named by its digest."""

FEATURES = 8
LEAST_OVERLAP = 6
"""Below six minutiae, a share says nothing."""
LEAST_INSIDE = 5


def features(agreement: Agreement) -> Floats:
    """What the network sees, shape (FEATURES,), float32; each about -1 to 1, beyond which int8 clips it."""
    matched = agreement.matched
    fewer = max(min(agreement.probe_count, agreement.reference_count), 1)
    return np.array(
        [
            math.sqrt(matched) / 3 - 1,
            2 * matched / _mean(agreement.probe_overlap, agreement.reference_overlap, LEAST_OVERLAP) - 1,
            2 * agreement.matched_similarity / max(matched, 0.1) - 1,
            2 * matched / fewer - 1,
            2 * agreement.confidence_share - 1,
            agreement.distance_px / 4 - 1,
            agreement.rotation_rad / 1.2 - 1,
            2 * matched / _mean(agreement.probe_inside, agreement.reference_inside, LEAST_INSIDE) - 1,
        ],
        np.float32,
    )


class ScoreHead:
    """The network that makes the score. It belongs to one thread."""

    def __init__(self, model: LoadedModel) -> None:
        self._engine = model.engine

    def score(self, agreement: Agreement) -> float:
        """Comparison score: log-odds on the training pairs, so negative for most pairs of two fingers."""
        return float(self._engine.run({"features": features(agreement)[None]})["scores"].mean())

    def forget(self) -> None:
        """Overwrite what the network holds of the last comparison."""
        self._engine.forget()


def _mean(one: int, other: int, least: int) -> float:
    """Geometric mean of two numbers of minutiae."""
    return math.sqrt(max(one, least) * max(other, least))
