"""What the mean of several images of a face gains, and what it costs: probes as the appliance makes them.

Of everybody with enough images a probe and a reference are drawn, many times, seeded, and all are compared at
the thresholds of single images. The images are different photographs: frames of one second are more alike, so
they gain less, and resemble strangers less often.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from inference.evaluation.metrics import NotMeasurable
from inference.face.compare import combine
from inference.runtime import Floats
from inference.types import FaceTemplate

DRAWS = 40
SEED = 19_795


class FramesRow(msgspec.Struct, frozen=True):
    """One kind of probe against one kind of reference, at the thresholds that single images have for an FMR.

    fnmr: None without a genuine comparison. fmr_ratio: FMR as a multiple of that of one image against one
    image; None where that had no false match.
    """

    probe: str
    reference: str
    genuine: int
    impostor: int
    fnmr: dict[str, float | None]
    fmr_measured: dict[str, float]
    fmr_ratio: dict[str, float | None]


class FramesReport(msgspec.Struct, frozen=True):
    """frames: in the largest probe. people: with more images than that. draws: probes of each of them."""

    frames: int
    people: int
    draws: int
    seed: int
    rows: tuple[FramesRow, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """The templates of one image: alone is the mean of both sides, the others are parts of a mean."""

    person: str
    alone: FaceTemplate
    as_seen: FaceTemplate
    mirrored: FaceTemplate


_Make = Callable[[Sequence[Looks]], FaceTemplate]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A way to make one template of the first (probe) or last (reference) `images` drawn."""

    name: str
    images: int
    make: _Make


def mean_of(images: Sequence[Looks]) -> FaceTemplate:
    """Return the template of several frames of one presentation, one side of each in turn."""
    if len(images) == 1:
        return images[0].alone
    return combine([image.mirrored if place % 2 else image.as_seen for place, image in enumerate(images)])


def _best_of(images: Sequence[Looks]) -> FaceTemplate:
    return max(images, key=lambda image: image.alone.quality).alone


def _mean_of_best_two(images: Sequence[Looks]) -> FaceTemplate:
    return mean_of(sorted(images, key=lambda image: -image.alone.quality)[:2])


def frames_report(
    images: Sequence[Looks], frames: int, thresholds: Mapping[str, float], draws: int = DRAWS
) -> FramesReport:
    """Measure probes of up to `frames` images. thresholds: of single images, by FMR. Raises NotMeasurable."""
    of_person: dict[str, list[Looks]] = defaultdict(list)
    for image in images:
        of_person[image.person].append(image)
    people = [own for own in of_person.values() if len(own) > frames]
    if len(people) < 2:
        raise NotMeasurable(f"probes of {frames} images take two people with more than {frames} images")
    random = np.random.default_rng(SEED)
    drawn = [[[own[place] for place in random.permutation(len(own))] for own in people] for _ in range(draws)]
    one = _Kind("one image", 1, mean_of)
    alone: Mapping[str, float] | None = None
    rows = []
    for probe, reference in _kinds(frames, one):
        genuine, impostor = _cosines(drawn, probe, reference)
        measured = {key: float(np.mean(impostor >= threshold)) for key, threshold in thresholds.items()}
        alone = measured if alone is None else alone
        rows.append(
            FramesRow(
                probe=probe.name,
                reference=reference.name,
                genuine=genuine.size,
                impostor=impostor.size,
                fnmr={
                    key: float(np.mean(genuine < threshold)) if genuine.size else None
                    for key, threshold in thresholds.items()
                },
                fmr_measured=measured,
                fmr_ratio={key: measured[key] / alone[key] if alone[key] else None for key in thresholds},
            )
        )
    return FramesReport(frames, len(people), draws, SEED, tuple(rows))


def _kinds(frames: int, one: _Kind) -> list[tuple[_Kind, _Kind]]:
    """Return what is compared, one image against one image first."""
    kinds = [(one, one)]
    for count in range(2, frames + 1):
        mean = _Kind(f"mean of {count}", count, mean_of)
        kinds.append((_Kind(f"best of {count}", count, _best_of), one))
        if count > 2:
            kinds.append((_Kind(f"mean of the best 2 of {count}", count, _mean_of_best_two), one))
        kinds += [(mean, one), (one, mean), (mean, mean)]
    return kinds


def _cosines(
    drawn: Sequence[Sequence[Sequence[Looks]]], probe: _Kind, reference: _Kind
) -> tuple[Floats, Floats]:
    """Return genuine and impostor cosines; a probe and a reference that share an image are not compared."""
    genuine, impostor = [], []
    for of_people in drawn:
        probes = np.stack([probe.make(own[: probe.images]).embedding for own in of_people])
        references = np.stack([reference.make(own[-reference.images :]).embedding for own in of_people])
        cosines = probes @ references.T
        apart = [len(own) >= probe.images + reference.images for own in of_people]
        genuine.append(np.diagonal(cosines)[apart])
        impostor.append(cosines[~np.eye(len(of_people), dtype=np.bool_)])
    return np.concatenate(genuine), np.concatenate(impostor)
