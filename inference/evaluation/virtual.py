"""Virtual subjects: people made of one person's face and other people's fingers (ISO/IEC 19795-1: chimeric).

No data set with both is at hand. That face and fingers of one person are independent is an assumption: fusion
makes it as well, so these data cannot show where it fails.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.evaluation.measured import MeasuredSet, Scores, halve
from inference.evaluation.metrics import NotMeasurable

Instance = tuple[int, int]
"""Which data set (0: faces, then fingers), and which identity in it."""
Subject = tuple[Instance, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Half:
    """Half of the people and half of the fingers of each data set, with all comparisons among them."""

    face: MeasuredSet
    fingers: tuple[MeasuredSet, ...]

    @property
    def sets(self) -> tuple[MeasuredSet, ...]:
        """The data sets in the order that `Instance` counts."""
        return (self.face, *self.fingers)

    @property
    def identities(self) -> int:
        """How many people and fingers both halves count."""
        return sum(_identities(measured) for measured in self.sets)


@dataclass(frozen=True, slots=True, eq=False)
class VirtualTrials:
    """Raw scores of virtual subjects; one column for each instance, shapes (genuine, k) and (impostor, k).

    genuine_subject, impostor_subjects: who was compared, by the finger that comes last; shapes (genuine,) and
    (impostor, 2).
    """

    genuine: Scores
    impostor: Scores
    genuine_subject: NDArray[np.intp]
    impostor_subjects: NDArray[np.intp]


def halves(
    face: MeasuredSet, fingers: Sequence[MeasuredSet], random: np.random.Generator
) -> tuple[Half, Half]:
    """Split people and fingers at random; comparisons across the halves are left out."""
    parts = [halve(one, random) for one in (face, *fingers)]
    one, other = ([part[side] for part in parts] for side in (0, 1))
    return Half(one[0], tuple(one[1:])), Half(other[0], tuple(other[1:]))


def face_and_finger(half: Half, random: np.random.Generator) -> list[Subject]:
    """Give every finger a face of its own, as far as the faces reach."""
    people = random.permutation(_with_genuine(half.face))
    fingers = [
        (number, int(finger))
        for number, measured in enumerate(half.fingers, start=1)
        for finger in _with_genuine(measured)
    ]
    random.shuffle(fingers)
    return [((0, int(person)), finger) for person, finger in zip(people, fingers, strict=False)]


def two_fingers(half: Half, random: np.random.Generator) -> list[Subject]:
    """Put the fingers of each data set together by twos."""
    subjects: list[Subject] = []
    for number, measured in enumerate(half.fingers, start=1):
        fingers = [(number, int(finger)) for finger in random.permutation(_with_genuine(measured))]
        subjects += zip(fingers[::2], fingers[1::2], strict=False)
    return subjects


def compare_subjects(half: Half, subjects: Sequence[Subject], random: np.random.Generator) -> VirtualTrials:
    """Compare each subject with itself, and with every other whose fingers are of the same data set.

    There are as many comparisons as the last instance has; those of the others are dealt out to them at
    random, each as often as the next. Raises NotMeasurable where no two subjects can be compared.
    """
    if next(_same_data_set(subjects), None) is None:
        raise NotMeasurable(
            "virtual subjects take two of them in each half of a data set: four fingers for one each, eight "
            "for two each, with two usable impressions, and as many people with two usable images"
        )
    scores = [
        _Lookup(
            measured, [instance[1] for subject in subjects for instance in subject if instance[0] == number]
        )
        for number, measured in enumerate(half.sets)
    ]
    first = np.cumsum([0, *(_identities(measured) for measured in half.sets)])

    def number_of(subject: Subject) -> int:
        data_set, identity = subject[-1]
        return int(first[data_set]) + identity

    genuine, who = [], []
    for subject in subjects:
        parts = [scores[data_set].genuine[identity] for data_set, identity in subject]
        genuine.append(_dealt(parts, random))
        who.append(np.full(len(genuine[-1]), number_of(subject)))
    impostor, between = [], []
    for one, other in _same_data_set(subjects):
        parts = [
            scores[data_set].impostor[min(mine, theirs), max(mine, theirs)]
            for (data_set, mine), (_, theirs) in zip(one, other, strict=True)
        ]
        impostor.append(_dealt(parts, random))
        between.append(np.tile([number_of(one), number_of(other)], (len(impostor[-1]), 1)))
    return VirtualTrials(
        np.concatenate(genuine), np.concatenate(impostor), np.concatenate(who), np.concatenate(between)
    )


class _Lookup:
    """The scores of some identities of a data set, by identity and by pair of identities (lower first)."""

    def __init__(self, measured: MeasuredSet, identities: Sequence[int]) -> None:
        trials = measured.trials
        if trials is None:
            raise ValueError("virtual subjects need to know who was compared")
        chosen = np.zeros(_identities(measured), np.bool_)
        chosen[list(identities)] = True
        of_genuine = trials.identity[trials.genuine[:, 0]]
        self.genuine = {one: measured.genuine[of_genuine == one] for one in set(identities)}
        image = chosen[trials.identity]
        wanted = np.flatnonzero(image[trials.impostor[:, 0]] & image[trials.impostor[:, 1]])
        pairs = np.sort(trials.identity[trials.impostor[wanted]], axis=1)
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        unique, starts = np.unique(pairs[order], axis=0, return_index=True)
        parts = np.split(measured.impostor[wanted[order]], starts)[1:]
        self.impostor = {(int(a), int(b)): part for (a, b), part in zip(unique, parts, strict=True)}


def _dealt(parts: Sequence[Scores], random: np.random.Generator) -> Scores:
    """Return the comparisons side by side, shape (comparisons of the last part, parts)."""
    return np.stack([np.resize(random.permutation(part), parts[-1].size) for part in parts], axis=1)


def _same_data_set(subjects: Sequence[Subject]) -> Iterator[tuple[Subject, Subject]]:
    for one, other in itertools.combinations(subjects, 2):
        if one[-1][0] == other[-1][0]:
            yield one, other


def _with_genuine(measured: MeasuredSet) -> NDArray[np.integer]:
    """Return the identities that have a genuine comparison."""
    if measured.trials is None:
        raise ValueError("virtual subjects need to know who was compared")
    return np.unique(measured.trials.identity[measured.trials.genuine[:, 0]])


def _identities(measured: MeasuredSet) -> int:
    return 0 if measured.trials is None else int(measured.trials.identity.max()) + 1
