"""Prints what a runtime makes of photographs and of made-up fingers, as JSON.

`python -m tests.kit.embed_photographs RUNTIME PHOTOGRAPH...`

A program of its own, since each TFLite runtime lives in an environment of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np

from inference.attack import Unchecked
from inference.errors import InferenceError
from inference.face.pipeline import build_face_recogniser
from inference.finger.pipeline import build_finger_recogniser
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from inference.synthesis import make_finger
from inference.types import Assessed, FingerPosition
from sensors.frames import ColourFrame, DeviceIdentity, FingerFrame


def main(runtime_name: str, photographs: list[str]) -> int:
    runtime, catalogue = RuntimeName(runtime_name), Catalogue()
    refused = []
    for name in catalogue.names():
        try:
            catalogue.load(name, runtime)
        except InferenceError as fault:
            refused.append(f"{name}: {fault}")
    recogniser = build_face_recogniser(catalogue, runtime)
    embeddings = []
    for path in photographs:
        pixels = np.asarray(cv2.imread(path), np.uint8)
        assessed = recogniser.assess(ColourFrame(pixels, DeviceIdentity("file", "test"), taken_at_s=0.0))
        if not isinstance(assessed, Assessed):
            raise SystemExit(f"{Path(path).name}: {assessed.reason.value}")
        embeddings.append(recogniser.template(Unchecked().check(assessed)).embedding.tolist())
    answer = {
        "made_by": recogniser.made_by,
        "refused": refused,
        "embeddings": embeddings,
        "finger_scores": _finger_scores(catalogue, runtime),
    }
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _finger_scores(catalogue: Catalogue, runtime: RuntimeName) -> list[float]:
    """Two impressions of one synthetic finger, then two fingers."""
    recogniser = build_finger_recogniser(catalogue, runtime)
    prepared = []
    for seed, impression in ((1, 1), (1, 2), (2, 1)):
        pixels = make_finger(seed).impression(impression, size=(256, 288))
        frame = FingerFrame(pixels, 500.0, DeviceIdentity("AS608", "test"), taken_at_s=0.0)
        assessed = recogniser.assess(frame)
        if not isinstance(assessed, Assessed):
            raise SystemExit(f"finger {seed}: {assessed.reason.value}")
        template = recogniser.template(Unchecked().check(assessed), FingerPosition.UNKNOWN)
        prepared.append(recogniser.prepare(template))
    return [recogniser.compare(prepared[0], other).raw for other in prepared[1:]]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
