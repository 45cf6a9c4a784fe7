"""This project's face pipeline."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import cv2

from inference.attack import Unchecked
from inference.evaluation.datasets import read_colour
from inference.face.pipeline import build_face_recogniser
from inference.runtime import RuntimeName
from inference.types import Assessed, FaceTemplate
from sensors.frames import ColourFrame, DeviceIdentity
from tests.bench.peers.counting import CountingCatalogue
from tests.bench.peers.worker import Extraction, Stopwatch, serve


class AidpostFace:
    """Detection and quality are one stage, the embedding the other."""

    def __init__(self) -> None:
        cv2.setNumThreads(1)
        catalogue = CountingCatalogue()
        self._recogniser = build_face_recogniser(catalogue, RuntimeName.LITERT)
        self.model_bytes = catalogue.total_bytes
        self.versions = {name: version(name) for name in ("aidpost", "ai-edge-litert")}

    def extract(self, path: str) -> Extraction:
        pixels = read_colour(Path(path))
        if pixels is None:
            raise ValueError(f"{path} does not decode")
        frame = ColourFrame(pixels, DeviceIdentity("file", "bench"), taken_at_s=0.0)
        watch = Stopwatch()
        assessed = self._recogniser.assess(frame)
        watch.mark("detect")
        if not isinstance(assessed, Assessed):
            return Extraction(None, watch.stages_ms)
        template = self._recogniser.template(Unchecked().check(assessed))
        watch.mark("embed")
        return Extraction(template, watch.stages_ms)

    def compare(self, probe: FaceTemplate, reference: FaceTemplate) -> float:
        return self._recogniser.compare(probe, reference).raw


if __name__ == "__main__":
    serve(AidpostFace)
