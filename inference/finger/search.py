"""The first pass of a search: which references deserve a full comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.finger.cylinders import COARSE_LENGTH, PreparedFinger

Floats: TypeAlias = NDArray[np.float32]

PROBE_CYLINDERS = 32
"""The most confident minutiae of the probe; more cost time and find no more."""
AVERAGED = 12
LEAST_KEPT = 40


def shortlist(probe: PreparedFinger, references: Sequence[PreparedFinger], limit: int) -> list[int]:
    """Places of the references that are most like the probe by their pooled cylinders, most alike first.

    It keeps `LEAST_KEPT` or four times `limit`, whichever is more: the full comparison decides.
    """
    kept = min(max(LEAST_KEPT, 4 * limit), len(references))
    if kept == len(references):
        return list(range(kept))
    likeness = _likeness(probe, references)
    return [int(place) for place in np.argsort(-likeness, kind="stable")[:kept]]


def _likeness(probe: PreparedFinger, references: Sequence[PreparedFinger]) -> Floats:
    """Local similarity sort of Cappelli et al. 2010 (LSS): mean over the probe's best cylinders."""
    wanted = probe.coarse[probe.usable][:PROBE_CYLINDERS]
    likeness = np.zeros(len(references), np.float32)
    lengths = [len(reference) for reference in references]
    present = [place for place, length in enumerate(lengths) if length]
    if not len(wanted) or not present:
        return likeness
    stacked = np.concatenate([references[place].coarse for place in present]).reshape(-1, COARSE_LENGTH)
    starts = np.cumsum([0, *(lengths[place] for place in present[:-1])])
    best = np.maximum.reduceat(stacked @ wanted.T, starts, axis=0)
    averaged = min(AVERAGED, len(wanted))
    likeness[present] = np.partition(best, -averaged, axis=1)[:, -averaged:].mean(axis=1)
    return likeness
