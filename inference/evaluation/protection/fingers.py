"""Measures the protection of finger templates: all pairs within each data set."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from inference.evaluation.datasets import DataSetRefused
from inference.evaluation.finger import extract_fingers
from inference.evaluation.metrics import ScoreSet
from inference.evaluation.parallel import Progress
from inference.evaluation.protection.attacks import Recovered, learnt
from inference.evaluation.protection.face_schemes import unit
from inference.evaluation.protection.faces import SEARCHED, drawn_key, least_s
from inference.evaluation.protection.finger_schemes import (
    DRAWN,
    FINGER_SCHEMES,
    SHIPPED,
    FingerScheme,
    FingerTransform,
    Score,
)
from inference.evaluation.protection.linkability import linkability
from inference.evaluation.protection.report import CrossScores, Protection, ProtectionReport, SchemeReport
from inference.evaluation.report import Compared, Extracted, Scored, compared, pooled, set_report
from inference.evaluation.sensor_like import SensorLike
from inference.finger.cylinders import prepare
from inference.finger.pipeline import build_finger_recogniser
from inference.models.catalogue import Catalogue
from inference.protection.finger import centred, likeness
from inference.runtime import RuntimeName
from inference.types import FingerTemplate

KEY_PAIRS = 5
NON_MATED = 4_000
FIRST_PASS = (20, 60)
KNOWN_CYLINDERS = (256, 1024, 4096)
ATTACKED = 500
_SEED = 24_745
_Pairs: TypeAlias = NDArray[np.intp]
_Floats: TypeAlias = NDArray[np.floating[Any]]
_PROTOCOL = (
    "images {images}; all pairs within each data set, one key for all fingers; linkability over {keys} pairs "
    "of keys that the seed draws; a search for each impression among one impression of the same finger and "
    "all of all other fingers of all data sets"
)


@dataclass(frozen=True, slots=True, eq=False)
class _Fingers:
    """All templates, data set after data set, and who is compared with whom, by their places.

    sets: name, what was extracted, and the place of its first template. genuine, impostor: within the data
    sets. apart: some impostor pairs, for linkability.
    """

    sets: tuple[tuple[str, Sequence[Extracted[FingerTemplate]], int], ...]
    templates: tuple[FingerTemplate, ...]
    finger: NDArray[np.intp]
    genuine: _Pairs
    impostor: _Pairs
    apart: _Pairs


def evaluate_finger_protection(
    folders: Sequence[Path],
    sensor: SensorLike,
    runtime: RuntimeName,
    jobs: int,
    progress: Progress,
    schemes: Sequence[FingerScheme] = FINGER_SCHEMES,
) -> Protection:
    """Protect the template of each impression in each way. Raises DataSetRefused, NotMeasurable."""
    found = _fingers(extract_fingers(folders, sensor, runtime, jobs, progress))
    recogniser = build_finger_recogniser(Catalogue(), runtime)
    reports, cross = [], []
    progress("schemes", 0, len(schemes))
    for scheme in schemes:
        report, scores = _measure(scheme, found, lambda one, other: recogniser.compare(one, other).raw)
        reports.append(report)
        cross.append(scores)
        progress("schemes", len(reports), len(schemes))
    return Protection(
        ProtectionReport(
            source=f"finger/{sensor.name}",
            protocol=_PROTOCOL.format(images=sensor.described, keys=KEY_PAIRS),
            images=len(found.templates),
            identities=int(found.finger.max()) + 1,
            genuine=len(found.genuine),
            impostor=len(found.impostor),
            model_digests=(recogniser.scored_by,),
            unprotected_accepted=UNSET,
            schemes=tuple(reports),
        ),
        tuple(cross),
    )


def _fingers(listed: Sequence[tuple[str, Sequence[Extracted[FingerTemplate]]]]) -> _Fingers:
    sets, names = [], []
    templates: list[FingerTemplate] = []
    pairs: list[tuple[int, int]] = []
    for name, extracted in listed:
        first = len(templates)
        sets.append((name, extracted, first))
        made = [(f"{name}/{one.identity}", one.template) for one in extracted if one.template is not None]
        names += [identity for identity, _ in made]
        templates += [template for _, template in made]
        pairs += itertools.combinations(range(first, len(templates)), 2)
    finger = np.unique(names, return_inverse=True)[1]
    numbers = np.array(pairs, np.intp).reshape(-1, 2)
    same = finger[numbers[:, 0]] == finger[numbers[:, 1]]
    if not same.any() or same.all():
        raise DataSetRefused("protection takes two templates of one finger, and two fingers, in one data set")
    impostor = numbers[~same]
    drawn = np.random.default_rng(_SEED).choice(len(impostor), min(NON_MATED, len(impostor)), replace=False)
    return _Fingers(tuple(sets), tuple(templates), finger, numbers[same], impostor, impostor[drawn])


def _measure(scheme: FingerScheme, found: _Fingers, score: Score) -> tuple[SchemeReport, CrossScores]:
    pairs_of_keys = KEY_PAIRS if scheme.keyed else 1
    transforms: list[FingerTransform[Any]] = [
        scheme.under(drawn_key(number), score) for number in range(2 * pairs_of_keys)
    ]
    held = [[each.protect(template) for template in found.templates] for each in transforms]
    genuine, impostor = (
        _scores(transforms[0].compare, held[0], held[0], pairs) for pairs in (found.genuine, found.impostor)
    )
    figures = set_report(pooled([_compared(one, found, genuine, impostor) for one in found.sets]))
    by_keys = [
        _across(transforms[0].link, one, other, found)
        for one, other in zip(held[::2], held[1::2], strict=True)
    ]
    linked, renewed = (linkability([scores[kind] for scores in by_keys]) for kind in (0, 1))
    sizes = _sizes(transforms[0], held[0])
    by_size = _across(lambda one, other: -abs(one - other), sizes, sizes, found)
    probe, reference = held[0][found.genuine[0, 0]], held[0][found.genuine[0, 1]]
    known, with_key = _recovered(transforms[0], found)
    return SchemeReport(
        name=scheme.name,
        shipped=scheme.name == SHIPPED,
        bytes=round(float(np.mean(sizes))),
        eer=figures.eer,
        eer_interval_95_by_identity=figures.eer_interval_95_by_identity,
        fnmr_at_fmr=figures.fnmr_at_fmr,
        eer_without_key=ScoreSet(
            _scores(transforms[0].link, held[0], held[0], found.genuine), by_keys[0][0][1]
        ).equal_error_rate(),
        largest_change=None,
        linkability=linked,
        renewed=renewed,
        with_key=with_key,
        learnt=known,
        galleries=UNSET,
        protect_us=1e6 * least_s(lambda: transforms[0].protect(found.templates[0])),
        search_ms=_search_ms(transforms[0], held[0]),
        compare_us=1e6 * least_s(lambda: transforms[0].compare(probe, reference)),
        size=linkability([by_size[0]]),
        size_renewed=linkability([by_size[1]]),
        first_pass_lost=_first_pass_lost(transforms[0], held[0], found),
    ), CrossScores(scheme.name, *by_keys[0][0], linked.d_sys, drawn=scheme.name in DRAWN)


def _scores(
    score: Callable[[Any, Any], float], one: Sequence[Any], other: Sequence[Any], pairs: _Pairs
) -> NDArray[np.float64]:
    return np.array([score(one[first], other[second]) for first, second in pairs], np.float64)


def _sizes(transform: FingerTransform[Any], held: Sequence[Any]) -> list[int]:
    return [transform.bytes(each) for each in held]


def _compared(
    one: tuple[str, Sequence[Extracted[FingerTemplate]], int],
    found: _Fingers,
    genuine: NDArray[np.float64],
    impostor: NDArray[np.float64],
) -> Compared:
    name, extracted, first = one
    last = first + sum(each.template is not None for each in extracted)

    def within(pairs: _Pairs, scores: NDArray[np.float64]) -> Scored:
        here = (pairs[:, 0] >= first) & (pairs[:, 0] < last)
        return Scored(scores[here], pairs[here] - first)

    return compared(
        name, extracted, within(found.genuine, genuine), within(found.impostor, impostor), compare_ms=()
    )


def _across(
    link: Callable[[Any, Any], float], one: Sequence[Any], other: Sequence[Any], found: _Fingers
) -> tuple[tuple[_Floats, _Floats], tuple[_Floats, _Floats]]:
    """Return mated and non-mated scores across two keys: of two impressions, and of one template renewed."""
    mated = np.concatenate(
        [_scores(link, one, other, pairs) for pairs in (found.genuine, found.genuine[:, ::-1])]
    )
    non_mated = _scores(link, one, other, found.apart)
    same = np.repeat(np.arange(len(one))[:, None], 2, axis=1)
    return (mated, non_mated), (_scores(link, one, other, same), non_mated)


def _search_ms(transform: FingerTransform[Any], held: Sequence[Any]) -> Any:
    codes = [transform.codes(each) for each in held]
    present = [each for each in codes if each is not None]
    if not present or not len(present[0]):
        return UNSET
    gallery = [present[number % len(present)] for number in range(SEARCHED)]
    return 1e3 * least_s(lambda: likeness(present[0], gallery), repeats=3)


def _first_pass_lost(transform: FingerTransform[Any], held: Sequence[Any], found: _Fingers) -> Any:
    """Share of searches that lose the right template; the probe is another impression of the finger."""
    codes = [transform.codes(each) for each in held]
    present = [each for each in codes if each is not None]
    if not present:
        return UNSET
    alike = np.stack([likeness(probe, present) for probe in present])
    ranks = []
    for first, second in np.concatenate([found.genuine, found.genuine[:, ::-1]]):
        others = found.finger != found.finger[first]
        ranks.append(np.count_nonzero(alike[first, others] >= alike[first, second]))
    return {str(kept): float(np.mean(np.array(ranks) >= kept)) for kept in FIRST_PASS}


def _recovered(transform: FingerTransform[Any], found: _Fingers) -> tuple[Any, Any]:
    """Attack the codes of some cylinders: by known ones of other fingers, and by the planes."""
    planes = transform.planes
    if planes is None:
        return UNSET, UNSET
    prepared = [prepare(template) for template in found.templates]
    fingers = np.repeat(found.finger, [int(each.usable.sum()) for each in prepared])
    cylinders = np.concatenate([centred(each)[each.usable] for each in prepared])
    rows = unit(np.where(cylinders @ planes > 0, 1, -1))
    cylinders = unit(cylinders)
    # Whole fingers on either side: neighbours on one finger share much of what is around them.
    attacked = fingers < int(found.finger.max() + 1) // 4
    random = np.random.default_rng(_SEED)
    targets = random.permutation(np.flatnonzero(attacked))[:ATTACKED]
    others = random.permutation(np.flatnonzero(~attacked))
    figures = {}
    for count in KNOWN_CYLINDERS:
        if count <= others.size:
            known = others[:count]
            figures[str(count)] = _cosine(
                learnt(rows[known], cylinders[known], rows[targets]), cylinders[targets]
            )
    return figures, _cosine(unit(rows[targets] @ planes.T), cylinders[targets])


def _cosine(estimates: _Floats, true: _Floats) -> Recovered:
    return Recovered(float(np.einsum("ij,ij->i", estimates, true).mean()))
