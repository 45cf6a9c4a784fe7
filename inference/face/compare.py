"""Compare face templates, and combine several of one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from inference.errors import ComparisonRefused, OtherProtectionKey
from inference.types import ComparisonScore, FaceTemplate, Modality, ProtectedFace

SOURCE = "face"
COMPARATOR = "cosine-1"
"""Changes with every change of the scores; operating points measured before it are then refused."""

FMR_RATIO_OF_FRAMES = ((1.0, 1.0), (1.75, 2.35), (2.1, 3.65), (2.25, 4.2), (2.25, 4.7), (2.6, 7.0))
"""FMR of a mean of 1, 2, ... frames as a multiple of that of single ones: compared with one, and with a mean.

The highest that was measured down to FMR 1e-4 (`aidpost evaluate face --frames 3`, LFW, 222 people; 4 and 5
from 90 people, scaled to them; the last, for more, is extrapolated). Those were different photographs. Frames
of one moment are more alike: their mean is nearer to a single one, and so is its FMR.
"""


FaceT = TypeVar("FaceT", FaceTemplate, ProtectedFace)


def compare(probe: FaceT, reference: FaceT) -> ComparisonScore:
    """Score how alike two faces are: their cosine, -1 to 1, with what it costs if one is a mean of frames.

    Both are plain, or both protected. Raises `ComparisonRefused` when another model or runtime made one of
    them, `OtherProtectionKey` when they are protected under two keys.
    """
    _require_one_origin((probe, reference))
    cosine = float(probe.embedding @ reference.embedding)
    return ComparisonScore(Modality.FACE, cosine, SOURCE, fmr_ratio(probe.frames, reference.frames))


def fmr_ratio(probe_frames: int, reference_frames: int) -> float:
    """Return how many times as often strangers score as high as with single frames."""
    fewer, more = sorted((probe_frames, reference_frames))
    with_one, with_mean = FMR_RATIO_OF_FRAMES[min(more, len(FMR_RATIO_OF_FRAMES)) - 1]
    return with_one if fewer == 1 else with_mean


def combine(templates: Sequence[FaceT]) -> FaceT:
    """Make one template of several of one person: their mean weighted by quality, of length 1 again.

    Raises `ComparisonRefused` when more than one model, runtime or key made them, and `ValueError` for none.
    """
    if not templates:
        raise ValueError("there is no template to combine")
    _require_one_origin(templates)
    weights = np.array([max(template.quality, 1) for template in templates], np.float32)
    mean = weights @ np.array([template.embedding for template in templates])
    length = float(np.sqrt(mean @ mean))
    if length < 1e-6:
        raise ValueError("the templates cancel out; they cannot be of one person")
    return replace(
        templates[0],
        embedding=(mean / length).astype(np.float32),
        quality=max(template.quality for template in templates),
        frames=sum(template.frames for template in templates),
    )


def _require_one_origin(templates: Sequence[FaceT]) -> None:
    origins = sorted({template.made_by for template in templates})
    if len(origins) > 1:
        raise ComparisonRefused(
            f"templates of {' and '.join(origins)} cannot be compared: configure the model and the runtime "
            "that the gallery was made with, or enrol the person anew"
        )
    keys = sorted({key for template in templates if (key := getattr(template, "key_id", b""))})
    if len(keys) > 1:
        raise OtherProtectionKey(*keys[:2])
