"""Prints embeddings of photographs as JSON: `python -m tests.kit.embed_photographs RUNTIME PHOTOGRAPH...`.

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
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from inference.types import Assessed
from sensors.frames import ColourFrame, DeviceIdentity


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
    answer = {"made_by": recogniser.made_by, "refused": refused, "embeddings": embeddings}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
