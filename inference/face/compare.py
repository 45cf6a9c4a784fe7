"""Compare face templates, and combine several of one person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inference.errors import ComparisonRefused
from inference.types import ComparisonScore, FaceTemplate, Modality

SOURCE = "face"
COMPARATOR = "cosine-1"
"""Changes with every change of the scores; operating points measured before it are then refused."""


def compare(probe: FaceTemplate, reference: FaceTemplate) -> ComparisonScore:
    """Score how alike two faces are: their cosine, -1 to 1.

    Raises `ComparisonRefused` when another model or runtime made one of them.
    """
    _require_one_origin((probe, reference))
    return ComparisonScore(Modality.FACE, float(probe.embedding @ reference.embedding), SOURCE)


def combine(templates: Sequence[FaceTemplate]) -> FaceTemplate:
    """Make one template of several of one person: their mean weighted by quality, of length 1 again.

    Raises `ComparisonRefused` when more than one model or runtime made them, and `ValueError` for none.
    """
    if not templates:
        raise ValueError("there is no template to combine")
    _require_one_origin(templates)
    weights = np.array([max(template.quality, 1) for template in templates], np.float32)
    mean = weights @ np.stack([template.embedding for template in templates])
    length = float(np.linalg.norm(mean))
    if length < 1e-6:
        raise ValueError("the templates cancel out; they cannot be of one person")
    return FaceTemplate(
        embedding=(mean / length).astype(np.float32),
        quality=max(template.quality for template in templates),
        made_by=templates[0].made_by,
    )


def _require_one_origin(templates: Sequence[FaceTemplate]) -> None:
    origins = sorted({template.made_by for template in templates})
    if len(origins) > 1:
        raise ComparisonRefused(
            f"templates of {' and '.join(origins)} cannot be compared: configure the model and the runtime "
            "that the gallery was made with, or enrol the person anew"
        )
