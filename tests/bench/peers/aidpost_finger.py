"""This project's finger pipeline."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import cv2

from inference.attack import Unchecked
from inference.evaluation.datasets import read_grey
from inference.finger.cylinders import PreparedFinger
from inference.finger.pipeline import build_finger_recogniser
from inference.runtime import RuntimeName
from inference.types import Assessed, FingerPosition
from sensors.frames import DeviceIdentity, FingerFrame
from tests.bench.peers.counting import CountingCatalogue
from tests.bench.peers.worker import Extraction, Stopwatch, serve

WIDTH_R503 = 192


class AidpostFinger:
    """Extraction is from the image to what is compared, cylinders included."""

    def __init__(self) -> None:
        cv2.setNumThreads(1)
        catalogue = CountingCatalogue()
        self._recogniser = build_finger_recogniser(catalogue, RuntimeName.LITERT)
        self.model_bytes = catalogue.total_bytes
        self.versions = {name: version(name) for name in ("aidpost", "ai-edge-litert")}

    def extract(self, path: str) -> Extraction:
        pixels = read_grey(Path(path))
        if pixels is None:
            raise ValueError(f"{path} does not decode")
        sensor = "R503" if pixels.shape[1] == WIDTH_R503 else "AS608"
        frame = FingerFrame(pixels, 500.0, DeviceIdentity(sensor, "bench"), taken_at_s=0.0)
        watch = Stopwatch()
        assessed = self._recogniser.assess(frame)
        if not isinstance(assessed, Assessed):
            watch.mark("refuse")
            return Extraction(None, watch.stages_ms)
        template = self._recogniser.template(Unchecked().check(assessed), FingerPosition.UNKNOWN)
        prepared = self._recogniser.prepare(template)
        watch.mark("extract")
        return Extraction(prepared, watch.stages_ms)

    def compare(self, probe: PreparedFinger, reference: PreparedFinger) -> float:
        return self._recogniser.compare(probe, reference).raw


if __name__ == "__main__":
    serve(AidpostFinger)
