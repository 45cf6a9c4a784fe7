"""The package afis: `python -m tests.bench.peers.afis_finger EXTRACTOR MATCHER`.

Its quality measure is off: it is not part of recognition and takes longer than that. With the extractor
`leader`, onnxruntime runs the network that this project's `leader.tflite` comes from.
"""

from __future__ import annotations

import functools
import sys
from importlib.metadata import version
from typing import Any

import cv2
import onnxruntime
from afis import NbisExtractor
from afis.algorithms import leader

from tests.bench.peers.files import package_file
from tests.bench.peers.worker import Extraction, Stopwatch, serve


class AfisFinger:
    """One of its extractors with one of its matchers, by its own defaults."""

    def __init__(self, extractor: str, matcher: str) -> None:
        self._matcher = matcher
        self._afis = NbisExtractor(extractor=extractor, matcher=matcher, quality_mode="none")
        self.versions = {"afis": version("afis")}
        self.model_bytes = 0
        if extractor == "leader":
            file = package_file("afis", "weights/leader/LEADER.onnx")
            _one_thread(str(file.resolve()))
            self.model_bytes = file.stat().st_size
            self.versions["onnxruntime"] = version("onnxruntime")

    def extract(self, path: str) -> Extraction:
        pixels: Any = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
        watch = Stopwatch()
        template = self._afis.extract_minutiae(pixels)
        if self._matcher == "mcc":
            template.ensure_mcc_cylinders()
        watch.mark("extract")
        return Extraction(template if template.n_minutiae else None, watch.stages_ms)

    def compare(self, probe: Any, reference: Any) -> float:
        result = self._afis.match(probe, reference)
        # Bozorth3's score is cut off at 50 before it is scaled; the count itself is not.
        return float(result.score if result.raw_score is None else result.raw_score)


def _one_thread(path: str) -> None:
    """Put a session of one thread where afis keeps its own, which it makes without options."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    leader._SESSIONS[path] = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    serve(functools.partial(AfisFinger, *sys.argv[1:3]))
