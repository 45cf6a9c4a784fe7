"""From what two prints agree on to one number."""

from __future__ import annotations

import math

from inference.finger.compare import Agreement


def score(agreement: Agreement) -> float:
    """Comparison score, 0 and up: agreeing minutiae, as a share of the overlap and as a number."""
    overlap: float = math.sqrt(max(agreement.probe_overlap, 6) * max(agreement.reference_overlap, 6))
    return (
        0.5 * agreement.matched * math.sqrt(agreement.matched) / overlap + 0.5 * agreement.matched_similarity
    )
