"""Which comparisons the finger score is trained on, and how much each counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inference.build.comparison_file import CUT, SYNTHETIC, Comparisons
from inference.build.head_training import Head, train

FEATURES = 8
SEED = 1
CUT_COUNTS = 2.0
SYNTHETIC_COUNTS = 0.25
"""Counted fully, they took FNMR at FMR 1e-3 on sets held out from 3.8 to 4.0 % (192x192) and from 0.6 to
1.1 % (256x288): synthetic prints err in ways of their own."""


def trained_without(parts: Sequence[Comparisons], data: str | None, seed: int = SEED) -> Head:
    """Train on all comparisons but those of one data set; in each part, both kinds count alike."""
    kept = [part for part in parts if part.origin.data != data]
    weights = []
    for part in kept:
        counts = CUT_COUNTS if part.origin.form == CUT else 1.0
        counts = SYNTHETIC_COUNTS if part.origin.data == SYNTHETIC else counts
        share = np.where(part.genuine, 1 / part.genuine.sum(), 1 / (~part.genuine).sum())
        weights.append(counts * share)
    return train(
        np.concatenate([part.features for part in kept]),
        np.concatenate([part.genuine for part in kept]),
        np.concatenate(weights),
        seed,
    )
