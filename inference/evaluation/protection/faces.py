"""Measures the protection of face templates on LFW's layout."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.evaluation.datasets import DataSetRefused
from inference.evaluation.face import SOURCE, all_pairs, extract_faces
from inference.evaluation.metrics import ScoreSet
from inference.evaluation.parallel import Progress
from inference.evaluation.protection.attacks import (
    KNOWN_TEMPLATES,
    Recovered,
    learnt,
    link_galleries,
    recovered,
)
from inference.evaluation.protection.face_schemes import (
    DRAWN,
    FACE_SCHEMES,
    SHIPPED,
    FaceScheme,
    FaceTransform,
    Floats,
)
from inference.evaluation.protection.linkability import linkability
from inference.evaluation.protection.report import CrossScores, Protection, ProtectionReport, SchemeReport
from inference.evaluation.report import Extracted, Scored, compared, set_report
from inference.models.catalogue import FOLDER as MODELS
from inference.protection.key_stream import KEY_BYTES, KeyStream
from inference.runtime import RuntimeName
from inference.types import FaceTemplate

KEY_PAIRS = 10
NON_MATED = 20_000
"""Pairs of people compared across keys, drawn for each run; mated pairs are all there are."""
INVERTED = 200
GALLERY = 500
STOLEN_FMR = 1e-3
_SEED = 24_745
SEARCHED = 10_000
_REPEATS = 30
_PROTOCOL = (
    "all pairs of the images that the pairs file names; one key for all people; linkability over "
    f"{KEY_PAIRS} pairs of keys that the seed draws"
)
_Pairs: TypeAlias = NDArray[np.integer]


@dataclass(frozen=True, slots=True, eq=False)
class _People:
    """Everybody's templates, and who is compared with whom.

    extracted: as they came. embeddings: of those with a template, shape (n, 128). genuine, impostor: plain
    scores and pairs. apart: pairs of different people, for linkability. first, second: two templates each of
    some people, as many as have two.
    """

    extracted: Sequence[Extracted[FaceTemplate]]
    embeddings: Floats
    people: NDArray[np.intp]
    genuine: Scored
    impostor: Scored
    apart: _Pairs
    first: NDArray[np.intp]
    second: NDArray[np.intp]


def evaluate_face_protection(
    images: Path,
    pairs_file: Path,
    runtime: RuntimeName,
    jobs: int,
    progress: Progress,
    schemes: Sequence[FaceScheme] = FACE_SCHEMES,
    models: Path = MODELS,
) -> Protection:
    """Protect the template of each image that the pairs name in each way.

    Raises DataSetRefused, NotMeasurable.
    """
    extracted = extract_faces(images, pairs_file, runtime, jobs, progress, models)
    found = _people(extracted)
    if found.first.size < 2:
        raise DataSetRefused(f"{pairs_file} names fewer than two people with two usable images each")
    plain = ScoreSet(found.genuine.raw, found.impostor.raw).at_fmr(STOLEN_FMR)
    reports, cross = [], []
    progress("schemes", 0, len(schemes))
    for scheme in schemes:
        report, scores = _measure(scheme, found, plain.threshold)
        reports.append(report)
        cross.append(scores)
        progress("schemes", len(reports), len(schemes))
    return Protection(
        ProtectionReport(
            source=SOURCE,
            protocol=_PROTOCOL,
            images=len(found.embeddings),
            identities=int(found.people.max()) + 1,
            genuine=len(found.genuine.pairs),
            impostor=len(found.impostor.pairs),
            model_digests=tuple(sorted({one.template.made_by for one in extracted if one.template})),
            unprotected_accepted=1 - plain.fnmr,
            schemes=tuple(reports),
        ),
        tuple(cross),
    )


def drawn_key(number: int) -> KeyStream:
    """Return a key of the evaluation: drawn from the seed, so that a run can be repeated."""
    return KeyStream(np.random.default_rng([_SEED, number]).bytes(KEY_BYTES))


def _people(extracted: Sequence[Extracted[FaceTemplate]]) -> _People:
    made = [(one.identity, one.template) for one in extracted if one.template is not None]
    if not made:
        raise DataSetRefused(f"no image gave a template; the first: {extracted[0].failure}")
    embeddings = np.stack([template.embedding for _, template in made])
    people = np.unique([identity for identity, _ in made], return_inverse=True)[1]
    genuine, impostor = all_pairs(embeddings, people)
    random = np.random.default_rng(_SEED)
    drawn = random.choice(len(impostor.pairs), min(NON_MATED, len(impostor.pairs)), replace=False)
    first, counts = np.unique(people, return_index=True, return_counts=True)[1:]
    # The templates are sorted by image, so the second one of a person follows the first.
    first = first[counts >= 2][:GALLERY]
    return _People(
        extracted=extracted,
        embeddings=embeddings,
        people=people,
        genuine=genuine,
        impostor=impostor,
        apart=impostor.pairs[drawn].astype(np.intp),
        first=first,
        second=first + 1,
    )


def _measure(scheme: FaceScheme, found: _People, threshold: float) -> tuple[SchemeReport, CrossScores]:
    """threshold: of the plain cosine, at which recovered embeddings count as accepted."""
    transforms = [scheme.under(drawn_key(number)) for number in range(2 * KEY_PAIRS)]
    rows = [transform.protect(found.embeddings) for transform in transforms]
    genuine, impostor = all_pairs(rows[0], found.people)
    figures = set_report(compared(scheme.name, found.extracted, genuine, impostor, ()))
    by_keys = [_across(one, other, found) for one, other in zip(rows[::2], rows[1::2], strict=True)]
    linked, renewed = (linkability([scores[kind] for scores in by_keys]) for kind in (0, 1))
    first, second = found.first, found.second
    estimates = transforms[0].invert(rows[0][first[:INVERTED]])
    return SchemeReport(
        name=scheme.name,
        shipped=scheme.name == SHIPPED,
        bytes=transforms[0].stored(rows[0][:1]).nbytes,
        eer=figures.eer,
        eer_interval_95_by_identity=figures.eer_interval_95_by_identity,
        fnmr_at_fmr=figures.fnmr_at_fmr,
        eer_without_key=ScoreSet(genuine.raw, by_keys[0][0][1]).equal_error_rate(),
        largest_change=_largest_change(genuine, impostor, found) if scheme.keeps_scores else None,
        linkability=linked,
        renewed=renewed,
        with_key=recovered(
            estimates,
            found.embeddings[first[:INVERTED]],
            found.embeddings[second[:INVERTED]],
            threshold,
        ),
        learnt=_learnt(rows[0], found, threshold),
        galleries=link_galleries(rows[0][first], rows[1][first], rows[1][second]),
        protect_us=1e6 * least_s(lambda: transforms[0].protect(found.embeddings[:1])),
        search_ms=1e3 * _search_s(transforms[0], rows[0]),
    ), CrossScores(scheme.name, *by_keys[0][0], linked.d_sys, drawn=scheme.name in DRAWN)


def _across(
    one: Floats, other: Floats, found: _People
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Return mated and non-mated scores across two keys: of two images, and of one template renewed."""
    pairs = found.genuine.pairs.astype(np.intp)
    mated = np.concatenate([_dots(one, other, pairs), _dots(one, other, pairs[:, ::-1])])
    non_mated = np.concatenate([_dots(one, other, found.apart), _dots(one, other, found.apart[:, ::-1])])
    same = np.repeat(np.arange(len(one))[:, None], 2, axis=1)
    return (mated, non_mated), (_dots(one, other, same), non_mated)


def _dots(one: Floats, other: Floats, pairs: _Pairs) -> Floats:
    return np.asarray(np.einsum("ij,ij->i", one[pairs[:, 0]], other[pairs[:, 1]]))


def _largest_change(genuine: Scored, impostor: Scored, found: _People) -> float:
    return max(
        float(np.abs(np.asarray(now.raw) - np.asarray(plain.raw)).max())
        for now, plain in ((genuine, found.genuine), (impostor, found.impostor))
    )


def _learnt(rows: Floats, found: _People, threshold: float) -> dict[str, Recovered]:
    """Attack the templates of the first people with known ones of all others."""
    first, second = found.first[:INVERTED], found.second[:INVERTED]
    others = np.flatnonzero(~np.isin(found.people, found.people[first]))
    others = np.random.default_rng(_SEED).permutation(others)
    figures = {}
    for count in KNOWN_TEMPLATES:
        if count <= others.size:
            known = others[:count]
            estimates = learnt(rows[known], found.embeddings[known], rows[first])
            figures[str(count)] = recovered(
                estimates, found.embeddings[first], found.embeddings[second], threshold
            )
    return figures


def least_s(work: Callable[[], object], repeats: int = _REPEATS) -> float:
    """Return the seconds of the fastest of some calls."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def _search_s(transform: FaceTransform, rows: Floats) -> float:
    stored = transform.stored(np.resize(rows, (SEARCHED, rows.shape[1])))
    return least_s(lambda: transform.scores(stored, rows[0]))
