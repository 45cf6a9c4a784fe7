"""How useful a finger image is, before any network runs, and what the person can change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.finger.segment import RidgeArea
from inference.types import Quality
from sensors.frames import RetryReason

LEAST_AREA_PX = 6_000
"""0.16 cm2: less shows five minutiae or fewer, which no threshold can decide on."""
SMALL_AREA_PX = 20_000
GOOD_AREA_PX = 50_000
"""1.3 cm2; or nearly the whole field, where a reader has less."""
GOOD_FIELD_SHARE = 0.95
FAINT_CONTRAST = 6.0
GOOD_CONTRAST = 20.0
UNCLEAR_COHERENCE = 0.3
GOOD_COHERENCE = 0.7
# Share of dark pixels: ridges and valleys are about equally wide on normal skin. Medians of the four readers
# are 0.3 to 0.55; prints below 0.18 are broken to dots, above 0.65 the valleys have run together.
DRY_DARK, GOOD_DARK, WET_DARK = 0.18, (0.28, 0.58), 0.65
FAR_FROM_CENTRE = 0.22
"""Distance of the ridge area's centre from the image's centre, as a share of the image's side."""

UNSURE, SURE = 0.5, 0.9
"""Mean confidence of a print's minutiae; 0.6 to 0.9 for most prints."""

_WEIGHTS = {"area": 0.35, "contrast": 0.15, "clarity": 0.3, "moisture": 0.1, "centring": 0.1}


def assess_quality(area: RidgeArea, width: int, height: int) -> Quality:
    """Quality of the print whose ridge area was found in an image of `width` by `height` pixels at 500 ppi.

    Score 0 with the reason NO_FINGER means that there is no finger; a dirty platen is no finger.
    """
    if area.pixels < LEAST_AREA_PX:
        return Quality(0, dict.fromkeys(_WEIGHTS, 0.0), (RetryReason.NO_FINGER,))
    contrast = float(area.contrast[area.mask].mean())
    coherence = float(area.coherence[area.mask].mean())
    dark = float(area.dark[area.mask].mean())
    x, y = area.centroid()
    off_centre = max(abs(x / width - 0.5), abs(y / height - 0.5))
    components = {
        "area": _scale(area.pixels, 0, min(GOOD_AREA_PX, GOOD_FIELD_SHARE * width * height)),
        "contrast": _scale(contrast, FAINT_CONTRAST, GOOD_CONTRAST),
        "clarity": _scale(coherence, UNCLEAR_COHERENCE, GOOD_COHERENCE),
        "moisture": min(
            _scale(dark, DRY_DARK - 0.06, GOOD_DARK[0]), _scale(-dark, -WET_DARK - 0.1, -GOOD_DARK[1])
        ),
        "centring": _scale(-off_centre, -0.5, -FAR_FROM_CENTRE / 2),
    }
    score = round(sum(weight * components[name] for name, weight in _WEIGHTS.items()))
    return Quality(score, components, _reasons(area.pixels, dark, contrast, off_centre))


def template_quality(sample_score: int, confidence: NDArray[np.float32]) -> int:
    """Quality of a template, 0 to 100: half the sample, half how sure the network is of its minutiae.

    Held out, without the worst tenth of the samples by it FNMR at FMR 1e-3 falls from 4.0 to 2.4 % (192x192)
    and from 1.4 to 0.7 % (256x288); by the sample's score alone to 2.9 % and 1.6 %.
    """
    if not len(confidence):
        return 0
    return round((sample_score + _scale(float(confidence.mean()), UNSURE, SURE)) / 2)


def _reasons(area_px: int, dark: float, contrast: float, off_centre: float) -> tuple[RetryReason, ...]:
    reasons = []
    if off_centre > FAR_FROM_CENTRE:
        reasons.append(RetryReason.MOVE_FINGER)
    if dark < DRY_DARK:
        reasons.append(RetryReason.TOO_DRY)
    elif dark > WET_DARK:
        reasons.append(RetryReason.TOO_WET)
    if area_px < SMALL_AREA_PX or contrast < 1.3 * FAINT_CONTRAST:
        reasons.append(RetryReason.PRESS_MORE)
    return tuple(reasons)


def _scale(value: float, worst: float, best: float) -> float:
    return float(np.clip(100 * (value - worst) / (best - worst), 0, 100))
