"""Whether eyes and mouth of an aligned face can be seen, or something lies over them.

What covers a face is plain where a face is not: a lens has no white beside a dark pupil, cloth over the mouth
has no line between lips. Both are measured against the rest of the same face, so that light, skin and focus
drop out. Nothing is asked of hair, ears or forehead: a headscarf is no occlusion.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.runtime import Floats
from sensors.frames import Pixels

# Places in the 112x112 crop, about the reference points of `inference.face.align`: rows, columns.
_EYES = ((slice(46, 59), slice(31, 46)), (slice(46, 59), slice(67, 82)))
_CHEEKS = (slice(64, 76), slice(28, 84))
_MOUTH = (slice(84, 102), slice(38, 74))
_FACE = (slice(20, 100), slice(20, 92))


def eye_contrast(crop: Pixels) -> float:
    """Return the range of grey levels in the eye that has less of it, in grey levels of the cheeks.

    crop: shape (112, 112, 3) BGR uint8, aligned. Half of LFW lies above 0.42, 99.7 % above 0.15; with dark
    glasses drawn over the eyes 99.7 % lie below 0.07 (`make face-quality`).
    """
    grey = cv2.GaussianBlur(_grey(crop), (0, 0), 1.5)
    cheeks = max(float(np.median(grey[_CHEEKS])), 1.0)
    return min(float(np.subtract(*np.percentile(grey[eye], (95, 5)))) for eye in _EYES) / cheeks


def mouth_detail(crop: Pixels) -> float:
    """Return the strength of detail about the mouth, as a share of that of the whole face.

    crop: as above. Half of LFW lies above 1.40, 99 % above 0.78; with a mask drawn over nose and mouth 99 %
    lie below 0.80, with the fingers of a hand half below 0.79 (`make face-quality`).
    """
    detail = np.abs(cv2.Laplacian(_grey(crop), cv2.CV_32F))
    return float(detail[_MOUTH].mean() / max(float(detail[_FACE].mean()), 1e-6))


def _grey(crop: Pixels) -> NDArray[np.float32]:
    grey: Floats = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return grey
