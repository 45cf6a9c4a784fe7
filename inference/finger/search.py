"""The first pass of a search: which references deserve a full comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.finger.cylinders import PreparedFinger

Floats: TypeAlias = NDArray[np.float32]

PROBE_CYLINDERS = 32
"""The most confident minutiae of the probe; more cost time and find no more."""
AVERAGED = 12
LEAST_KEPT = 60
"""Of 414 references, the right one is among the first 60 in 99 % (256x288) and 95 % (192x192) of searches."""
CHUNK = 64
"""References at a time: their cylinders as float32 are 3.5 MB, which stays in the cache."""


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
    likeness = np.zeros(len(references), np.float32)
    wanted = probe.coarse[probe.usable][:PROBE_CYLINDERS].astype(np.float32)
    if not len(wanted):
        return likeness
    # With the probe's vectors centred, the product is that of both centred: a correlation.
    wanted -= wanted.mean(axis=1, keepdims=True)
    wanted /= np.maximum(np.linalg.norm(wanted, axis=1, keepdims=True), np.float32(1e-6))
    averaged = min(AVERAGED, len(wanted))
    present = [place for place, reference in enumerate(references) if len(reference)]
    for start in range(0, len(present), CHUNK):
        places = present[start : start + CHUNK]
        stacked = np.concatenate([references[place].coarse for place in places]).astype(np.float32)
        correlation = stacked @ wanted.T
        correlation /= np.concatenate([references[place].coarse_spread for place in places])
        starts = np.cumsum([0, *(len(references[place]) for place in places[:-1])])
        best = np.maximum.reduceat(correlation, starts, axis=0)
        likeness[places] = np.partition(best, -averaged, axis=1)[:, -averaged:].mean(axis=1)
    return likeness
