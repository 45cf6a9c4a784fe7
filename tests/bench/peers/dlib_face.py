"""dlib as face_recognition calls it: HOG detector, five landmarks, the residual network of 2017."""

from __future__ import annotations

from typing import Any

import cv2
import dlib
import numpy as np

from tests.bench.peers.files import package_file
from tests.bench.peers.worker import Extraction, Stopwatch, serve

LANDMARKS = "models/shape_predictor_5_face_landmarks.dat"
NETWORK = "models/dlib_face_recognition_resnet_model_v1.dat"
ENLARGED_TIMES = 1
"""Doublings before the search, face_recognition's default; without one HOG misses faces under 80 pixels."""


class DlibFace:
    """The largest face is taken; compared by distance, as dlib says."""

    def __init__(self) -> None:
        files = [package_file("face_recognition_models", name) for name in (LANDMARKS, NETWORK)]
        self._detect = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(str(files[0]))
        self._network = dlib.face_recognition_model_v1(str(files[1]))
        self.model_bytes = sum(file.stat().st_size for file in files)
        self.versions = {"dlib-bin": dlib.__version__}

    def extract(self, path: str) -> Extraction:
        bgr: Any = cv2.imread(path)
        pixels = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        watch = Stopwatch()
        boxes = self._detect(pixels, ENLARGED_TIMES)
        if not len(boxes):
            watch.mark("detect")
            return Extraction(None, watch.stages_ms)
        shape = self._landmarks(pixels, max(boxes, key=lambda box: box.area()))
        watch.mark("detect")
        embedding = np.array(self._network.compute_face_descriptor(pixels, shape))
        watch.mark("embed")
        return Extraction(embedding, watch.stages_ms)

    def compare(self, probe: Any, reference: Any) -> float:
        return -float(np.linalg.norm(probe - reference))


if __name__ == "__main__":
    serve(DlibFace)
