"""Probes of several images: drawn embeddings of people who do not exist, seeded."""

from __future__ import annotations

import numpy as np
import pytest

from inference.evaluation.frames import Looks, frames_report
from inference.evaluation.metrics import NotMeasurable
from inference.types import FaceTemplate


def drawn_looks(people: int, images: int, noise: float) -> list[Looks]:
    """Each image is the person's direction plus noise of its own; the noisier, the lower the quality."""
    random = np.random.default_rng(1)
    looks = []
    for person in range(people):
        centre = random.standard_normal(128)
        for _ in range(images):
            spread = noise * random.uniform(0.5, 1.5)
            templates = []
            for _ in range(3):
                drawn = centre + spread * random.standard_normal(128)
                unit = np.asarray(drawn / np.linalg.norm(drawn), np.float32)
                templates.append(FaceTemplate(unit, round(100 - 20 * spread), "drawn"))
            looks.append(Looks(str(person), *templates))
    return looks


def test_a_mean_of_images_misses_less_than_the_best_of_them_and_that_less_than_one() -> None:
    report = frames_report(drawn_looks(20, 6, noise=2.0), 3, {"1e-2": 0.25}, draws=5)
    fnmr = {(row.probe, row.reference): row.fnmr["1e-2"] or 0.0 for row in report.rows}
    single = fnmr["one image", "one image"]
    assert fnmr["mean of 3", "one image"] < fnmr["best of 3", "one image"] < single
    assert fnmr["mean of 3", "mean of 3"] < fnmr["mean of 3", "one image"]
    first = report.rows[0]
    assert (first.probe, first.fmr_ratio["1e-2"]) == ("one image", 1.0)
    assert first.genuine == 20 * 5
    assert first.impostor == 20 * 19 * 5
    assert frames_report(drawn_looks(20, 6, noise=2.0), 3, {"1e-2": 0.25}, draws=5) == report


def test_no_probe_is_compared_with_a_reference_of_the_same_image() -> None:
    # Four images of each make no pair of means of three that share none.
    report = frames_report([*drawn_looks(5, 4, 1.0)], 3, {"1e-2": 0.5}, draws=2)
    genuine = {(row.probe, row.reference): row.genuine for row in report.rows}
    assert genuine["mean of 3", "one image"] == 10
    assert genuine["mean of 3", "mean of 3"] == 0


def test_too_few_images_are_refused() -> None:
    with pytest.raises(NotMeasurable, match="more than 3 images"):
        frames_report(drawn_looks(5, 3, 1.0), 3, {"1e-2": 0.5})
