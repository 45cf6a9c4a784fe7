"""Operating points made the real way, from scores drawn from two normal distributions."""

import numpy as np

from inference.comparators import COMPARATORS
from inference.evaluation.calibration import source_point
from inference.evaluation.measured import MeasuredSet
from inference.evaluation.record import with_source
from inference.operating_point_file import OperatingPointFile, SourcePoint
from inference.types import Modality

FACE_MODEL = "face-model@runtime"
FINGER_MODEL = "finger-model@runtime"
CREATED = "2026-01-01T00:00:00Z"


def measured_source(
    made_by: str, modality: Modality, *, distance: float, genuine: int, impostor: int, seed: int
) -> SourcePoint:
    """Genuine raw scores around +distance / 2 and impostor ones around -distance / 2, deviation 1."""
    random = np.random.default_rng(seed)
    scores = MeasuredSet(
        "drawn",
        identities=100,
        samples=800,
        genuine=random.normal(distance / 2, 1, genuine),
        impostor=random.normal(-distance / 2, 1, impostor),
    )
    return source_point(made_by, COMPARATORS[modality], "drawn from normal distributions", [scores])


def drawn_operating_point() -> OperatingPointFile:
    """Face with 100,000 impostor comparisons (FMR 1e-4 supported), R503 with 10,000 (1e-3 supported)."""
    face = measured_source(FACE_MODEL, Modality.FACE, distance=6.5, genuine=4_000, impostor=100_000, seed=1)
    finger = measured_source(
        FINGER_MODEL, Modality.FINGER, distance=5.5, genuine=1_000, impostor=10_000, seed=2
    )
    content = with_source(None, "drawn", CREATED, "face", face)
    return with_source(content, "drawn", CREATED, "finger/R503", finger)
