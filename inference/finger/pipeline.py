"""From a finger frame to a comparison score: assess, extract, prepare, compare."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from inference.errors import ComparisonRefused
from inference.finger import compare as comparison
from inference.finger.cylinders import PreparedFinger, prepare
from inference.finger.minutiae import from_maps
from inference.finger.quality import assess_quality, template_quality
from inference.finger.score import ScoreHead
from inference.finger.segment import ridge_area
from inference.models.catalogue import Catalogue, LoadedModel, made_by, short_name
from inference.runtime import RuntimeName
from inference.types import Assessed, ComparisonScore, FingerPosition, FingerTemplate, Live, Modality
from sensors.frames import FingerFrame, Pixels, Retry, RetryReason

RESOLUTION_PPI = 500.0
SIZE_MULTIPLE = 32
"""LEADER halves its input five times."""
MARGIN_PX = 12
"""Kept around the ridge area: a minutia on its border needs the flow of the ridges beyond it."""
LEAST_QUALITY = 20


@dataclass(frozen=True, slots=True, eq=False)
class FingerSample:
    """The part of a finger image that shows ridges, at 500 ppi.

    pixels: shape (height, width), uint8, both sides multiples of 32; 0 = ridge to 255 = valley.
    left, top: where it lies in the image of which the template gives the coordinates.
    image_width, image_height: size of that image in pixels.
    sensor: model of the reader.
    """

    pixels: Pixels
    left: int
    top: int
    image_width: int
    image_height: int
    sensor: str

    def wipe(self) -> None:
        """Overwrite the pixels with zeros."""
        self.pixels[...] = 0


class FingerRecogniser:
    """The finger pipeline. Extraction and comparison run networks and belong to one thread."""

    def __init__(self, extractor: LoadedModel, head: LoadedModel) -> None:
        self._extractor = extractor
        self._head = ScoreHead(head)
        self._made_by = made_by(extractor)
        self._scored_by = f"{short_name(extractor)}+{made_by(head)}"

    @property
    def made_by(self) -> str:
        """What its templates say of their origin."""
        return self._made_by

    @property
    def scored_by(self) -> str:
        """What an operating point says of the models: the extractor and the score's network."""
        return self._scored_by

    def assess(self, frame: FingerFrame) -> Assessed[FingerSample] | Retry:
        """Find the finger in the frame and judge it; no network runs yet.

        The sample is a copy: the frame may be wiped as soon as this returns.
        """
        pixels = _at_nominal_resolution(frame)
        try:
            return _assess(pixels, frame.device.model)
        finally:
            if pixels is not frame.pixels:
                pixels[...] = 0

    def template(self, live: Live[FingerSample], position: FingerPosition) -> FingerTemplate:
        """Extract the minutiae; about 85 ms for 256x288 on one x86 core."""
        sample = live.sample
        maps = self._extractor.engine.run({"image": sample.pixels[None, :, :, None]})
        minutiae = from_maps(maps)
        for array in maps.values():
            array[...] = 0
        minutiae[:, 0] += sample.left
        minutiae[:, 1] += sample.top
        # The sample may be padded beyond the image to a multiple of 32; there is no finger there.
        minutiae = minutiae[(minutiae[:, 0] < sample.image_width) & (minutiae[:, 1] < sample.image_height)]
        return FingerTemplate(
            minutiae=minutiae,
            width=sample.image_width,
            height=sample.image_height,
            position=position,
            sensor=sample.sensor,
            quality=template_quality(live.quality.score, minutiae[:, 4]),
            made_by=self._made_by,
        )

    def prepare(self, template: FingerTemplate) -> PreparedFinger:
        """Make a template ready for comparison (2 ms); keep the result where a template is compared often."""
        return prepare(template)

    def compare(self, probe: PreparedFinger, reference: PreparedFinger) -> ComparisonScore:
        """Score how alike two fingers are (1.3 ms for 30 minutiae each).

        Raises `ComparisonRefused` when another extractor made the reference.
        """
        _require_same_origin(probe, reference)
        raw = self._head.score(comparison.compare(probe, reference))
        return ComparisonScore(Modality.FINGER, raw, f"finger/{probe.sensor}")

    def forget(self) -> None:
        """Overwrite what the networks' working memory holds of the last finger."""
        self._extractor.engine.forget()
        self._head.forget()


def build_finger_recogniser(catalogue: Catalogue, runtime: RuntimeName, threads: int = 1) -> FingerRecogniser:
    """Load LEADER and the score's network and build the pipeline around them."""
    return FingerRecogniser(
        catalogue.load("leader", runtime, threads), catalogue.load("finger-score", runtime)
    )


def _assess(pixels: Pixels, sensor: str) -> Assessed[FingerSample] | Retry:
    height, width = pixels.shape
    area = ridge_area(pixels)
    quality = assess_quality(area, width, height)
    if quality.score < LEAST_QUALITY:
        return Retry(quality.reasons[0] if quality.reasons else RetryReason.PRESS_MORE)
    left, top, right, bottom = area.box()
    left, right = _span(left - MARGIN_PX, right + MARGIN_PX, width)
    top, bottom = _span(top - MARGIN_PX, bottom + MARGIN_PX, height)
    cut = pixels[top : min(bottom, height), left : min(right, width)]
    # A sample that reaches beyond the image repeats the border: a flat one would look like an edge.
    whole = np.pad(cut, ((0, bottom - top - cut.shape[0]), (0, right - left - cut.shape[1])), "edge")
    return Assessed(FingerSample(whole, left, top, width, height, sensor), quality)


def _at_nominal_resolution(frame: FingerFrame) -> Pixels:
    scale = RESOLUTION_PPI / frame.resolution_ppi
    if abs(scale - 1) < 0.01:
        return frame.pixels
    return np.asarray(
        cv2.resize(frame.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
    )


def _span(first: int, last: int, side: int) -> tuple[int, int]:
    """Widen first..last to a multiple of 32, within 0..side as far as that goes."""
    first, last = max(first, 0), min(last, side)
    length = -(-(last - first) // SIZE_MULTIPLE) * SIZE_MULTIPLE
    first = max(0, min(first, side - length))
    return first, first + length


def _require_same_origin(probe: PreparedFinger, reference: PreparedFinger) -> None:
    if probe.made_by != reference.made_by:
        raise ComparisonRefused(
            f"a template of {reference.made_by} cannot be compared with one of {probe.made_by}: "
            "enrol the person anew"
        )
