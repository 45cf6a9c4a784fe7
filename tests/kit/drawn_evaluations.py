"""Evaluations of people who do not exist: scores drawn from normal distributions, seeded."""

import itertools

import numpy as np

from inference.comparators import COMPARATORS
from inference.evaluation.report import Compared, Evaluation, Extracted, Scored, compared, evaluation
from inference.types import FaceTemplate, Modality


def drawn_set(
    name: str,
    identities: int,
    images: int,
    *,
    distance: float,
    seed: int,
    failed: frozenset[int] = frozenset(),
) -> Compared:
    """Every image against every other; genuine scores lie `distance` above impostor ones, deviation 1.

    failed: numbers of the images without a template. The quality of an image is 50 plus its number in its
    identity.
    """
    random = np.random.default_rng(seed)
    extracted = [
        Extracted(
            f"{name}/{identity}/{image}.png",
            f"{identity:03d}",
            None
            if identity * images + image in failed
            else FaceTemplate(np.zeros(128, np.float32), 50 + image, f"{name}-model"),
            "drawn to fail" if identity * images + image in failed else "",
            extract_ms=10.0,
        )
        for identity in range(identities)
        for image in range(images)
    ]
    made = [one for one in extracted if one.template is not None]
    pairs = np.array(list(itertools.combinations(range(len(made)), 2)))
    same = np.array([made[first].identity == made[second].identity for first, second in pairs])
    scores = random.normal(0, 1, len(pairs)) + np.where(same, distance, 0.0)
    return compared(
        name,
        extracted,
        Scored(scores[same], pairs[same]),
        Scored(scores[~same], pairs[~same]),
        compare_ms=[1.0],
    )


def drawn_evaluation(source: str, sets: list[Compared]) -> Evaluation:
    """The sets as one run of `aidpost evaluate` measures them."""
    modality = Modality.FACE if source == "face" else Modality.FINGER
    return evaluation(source, "drawn", COMPARATORS[modality], sets)
