"""A floor under the finger accuracy on real prints: five fingers of each reader, four impressions each."""

from itertools import combinations
from pathlib import Path

import pytest

from inference.attack import Unchecked
from inference.evaluation.datasets import read_fingers, read_grey
from inference.evaluation.metrics import ScoreSet
from inference.evaluation.sensor_like import sensor_like
from inference.finger.cylinders import PreparedFinger
from inference.finger.pipeline import FingerRecogniser, build_finger_recogniser
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from inference.types import Assessed, FingerPosition
from sensors.frames import DeviceIdentity, FingerFrame

FINGERS, IMPRESSIONS = 5, 4

# Highest equal error rate with 30 genuine and 160 impostor comparisons: one false non-match is 3.3 %.
CASES = [
    ("fvc2002_db1b", (256, 288), 0.005),
    ("fvc2002_db3b", (256, 288), 0.005),
    ("fvc2004_db1b", (256, 288), 0.05),
    ("upek", (256, 288), 0.005),
    ("fvc2002_db3b", (192, 192), 0.02),
    ("upek", (192, 192), 0.005),
]


@pytest.fixture(scope="module")
def recogniser() -> FingerRecogniser:
    return build_finger_recogniser(Catalogue(), RuntimeName.LITERT)


@pytest.mark.parametrize(("name", "size", "most"), CASES, ids=[f"{c[0]}-{c[1][0]}" for c in CASES])
def test_real_prints_keep_their_accuracy(
    recogniser: FingerRecogniser, shared_data: Path, name: str, size: tuple[int, int], most: float
) -> None:
    prints = _prepared(recogniser, shared_data / "fingers" / name, size)
    scores: dict[bool, list[float]] = {True: [], False: []}
    for (finger, probe), (other, reference) in combinations(prints, 2):
        scores[finger == other].append(recogniser.compare(probe, reference).raw)
    assert (len(scores[True]), len(scores[False])) == (30, 160)
    assert ScoreSet(scores[True], scores[False]).equal_error_rate() <= most


def _prepared(
    recogniser: FingerRecogniser, folder: Path, size: tuple[int, int]
) -> list[tuple[str, PreparedFinger]]:
    impressions = read_fingers(folder)
    fingers = sorted({impression.finger for impression in impressions})[:FINGERS]
    prepared = []
    for impression in impressions:
        if impression.finger not in fingers or impression.impression > IMPRESSIONS:
            continue
        pixels = read_grey(impression.path)
        assert pixels is not None
        frame = FingerFrame(sensor_like(pixels, *size), 500.0, DeviceIdentity("AS608", folder.name), 0.0)
        assessed = recogniser.assess(frame)
        assert isinstance(assessed, Assessed), f"no sample from {impression.path.name}: {assessed}"
        template = recogniser.template(Unchecked().check(assessed), FingerPosition.UNKNOWN)
        prepared.append((impression.finger, recogniser.prepare(template)))
    return prepared
