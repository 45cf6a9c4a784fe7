"""What was compared with what: the raw scores of a data set, and which images each of them came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Where the scores of a data set come from; what quality, cohorts and dependence are worked out from.

    identity: number of the person or finger that each image shows, shape (images,).
    quality: 0 to 100 for each image, NaN for one without a template, shape (images,), float64.
    genuine, impostor: the two images of each comparison, in the order of the scores, shape (comparisons, 2).
    """

    identity: NDArray[np.integer]
    quality: NDArray[np.float64]
    genuine: NDArray[np.integer]
    impostor: NDArray[np.integer]

    @property
    def genuine_quality(self) -> NDArray[np.float64]:
        """Quality of each genuine comparison, the lower one of its two images: shape (genuine,)."""
        lower: NDArray[np.float64] = np.min(self.quality[self.genuine], axis=1)
        return lower


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredSet:
    """The raw scores of one data set, shapes (genuine,) and (impostor,), higher is more alike.

    identities: people (face) or fingers with a template. samples: images that gave one.
    trials: None where the scores alone are known. repeats: each image takes part in so many comparisons of
    one kind where it could in one (virtual subjects that are made anew): bounds count them as one.
    """

    name: str
    identities: int
    samples: int
    genuine: Scores
    impostor: Scores
    trials: Trials | None = None
    repeats: int = 1


def pool_sets(sets: Sequence[MeasuredSet]) -> MeasuredSet:
    """Put data sets together; identities of different sets differ, and impostors are those within each."""
    if len(sets) == 1:
        return sets[0]
    return MeasuredSet(
        name=" + ".join(one.name for one in sets),
        identities=sum(one.identities for one in sets),
        samples=sum(one.samples for one in sets),
        genuine=np.concatenate([one.genuine for one in sets]),
        impostor=np.concatenate([one.impostor for one in sets]),
        trials=_pool_trials([one.trials for one in sets if one.trials is not None], len(sets)),
    )


def halve(measured: MeasuredSet, random: np.random.Generator) -> tuple[MeasuredSet, MeasuredSet]:
    """Split a data set by identities; comparisons across the halves are left out."""
    trials = measured.trials
    if trials is None:
        raise ValueError("a data set without its trials cannot be halved")
    identities = int(trials.identity.max()) + 1
    in_first = np.zeros(identities, np.bool_)
    in_first[random.permutation(identities)[: identities // 2]] = True
    return _within(measured, trials, in_first), _within(measured, trials, ~in_first)


def _within(measured: MeasuredSet, trials: Trials, chosen: NDArray[np.bool_]) -> MeasuredSet:
    image = chosen[trials.identity]
    genuine, impostor = (image[pairs].all(axis=1) for pairs in (trials.genuine, trials.impostor))
    sampled = image & np.isfinite(trials.quality)
    return MeasuredSet(
        name=measured.name,
        identities=np.unique(trials.identity[sampled]).size,
        samples=int(np.count_nonzero(sampled)),
        genuine=measured.genuine[genuine],
        impostor=measured.impostor[impostor],
        trials=Trials(trials.identity, trials.quality, trials.genuine[genuine], trials.impostor[impostor]),
    )


def _pool_trials(trials: Sequence[Trials], sets: int) -> Trials | None:
    if len(trials) != sets:
        return None
    first_image = np.cumsum([0, *(one.quality.size for one in trials)])
    first_identity = np.cumsum([0, *(int(one.identity.max()) + 1 for one in trials)])
    return Trials(
        identity=np.concatenate(
            [one.identity + first for one, first in zip(trials, first_identity[:-1], strict=True)]
        ),
        quality=np.concatenate([one.quality for one in trials]),
        genuine=np.concatenate(
            [one.genuine.astype(np.int32) + first for one, first in zip(trials, first_image, strict=False)]
        ),
        impostor=np.concatenate(
            [one.impostor.astype(np.int32) + first for one, first in zip(trials, first_image, strict=False)]
        ),
    )
