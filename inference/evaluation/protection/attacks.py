"""What an attacker makes of protected faces: embeddings back, and people linked across whole galleries."""

from __future__ import annotations

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from inference.evaluation.protection.face_schemes import Floats, unit

RIDGE = 0.1
KNOWN_TEMPLATES = (64, 256, 1024)
KNOWN_PEOPLE = (32, 128)


class Recovered(msgspec.Struct, frozen=True):
    """Embeddings or cylinders that were got back, of people that the attacker knew nothing of.

    cosine: with the true ones, on average. accepted: of embeddings, share that another image of the same
    person accepts in an unprotected system at the threshold for FMR 1e-3; `unprotected_accepted` of the
    report is the most that can be.
    """

    cosine: float
    accepted: float | UnsetType = UNSET


class GalleriesLinked(msgspec.Struct, frozen=True):
    """Share of people whom an attacker without keys finds again in a gallery under another key, first guess.

    Both galleries hold the same `people`, in unknown order. by_structure_renewed: by how alike each is to all
    others of its gallery, where the second was made of the same templates. by_structure: where it was made of
    other images. by_known: of other images too, with so many people known in both; the share of the rest.
    by_guessing: 1 / people.
    """

    people: int
    by_guessing: float
    by_structure_renewed: float
    by_structure: float
    by_known: dict[str, float]


def learnt(known_rows: Floats, known: Floats, rows: Floats) -> Floats:
    """Return what ridge regression from known rows to their embeddings says of other rows.

    No key is needed, only templates that are known in both forms: people whom the attacker registered.
    """
    gram = known_rows @ known_rows.T + RIDGE * np.eye(len(known_rows), dtype=np.float32)
    return unit((rows @ known_rows.T) @ np.linalg.solve(gram, known))


def recovered(estimates: Floats, embeddings: Floats, others: Floats, threshold: float) -> Recovered:
    """Judge estimates, shape (n, 128); others: other images of the same people, threshold: of the cosine."""
    cosine = np.einsum("ij,ij->i", estimates, embeddings)
    accepted = np.einsum("ij,ij->i", estimates, others) >= threshold
    return Recovered(float(cosine.mean()), float(accepted.mean()))


def link_galleries(first: Floats, renewed: Floats, other: Floats) -> GalleriesLinked:
    """Attack three galleries of the same people in the same order: two of the same templates, one of others.

    The order is used to count what was found, never to find it.
    """
    people = len(first)
    by_known = {}
    for count in KNOWN_PEOPLE:
        if count <= people // 2:
            moved = learnt(first[:count], other[:count], first[count:])
            by_known[str(count)] = _found(moved @ other[count:].T)
    return GalleriesLinked(
        people=people,
        by_guessing=1 / people,
        by_structure_renewed=_found(-_apart(first, renewed)),
        by_structure=_found(-_apart(first, other)),
        by_known=by_known,
    )


def _apart(first: Floats, second: Floats) -> NDArray[np.float64]:
    """Return squared distances between the sorted scores of each person with all others of the gallery."""
    one, two = (np.sort(rows.astype(np.float64) @ rows.T, axis=1) for rows in (first, second))
    return np.asarray((one**2).sum(1)[:, None] + (two**2).sum(1) - 2 * one @ two.T)


def _found(likeness: NDArray[np.floating]) -> float:
    """Share of rows whose own column is the likeliest, hubs held down: CSLS of ten neighbours.

    A. Conneau et al., "Word translation without parallel data", ICLR 2018.
    """
    near = min(10, len(likeness))
    of_row = np.sort(likeness, axis=1)[:, -near:].mean(axis=1)
    of_column = np.sort(likeness, axis=0)[-near:].mean(axis=0)
    adjusted = 2 * likeness - of_row[:, None] - of_column
    return float(np.mean(adjusted.argmax(axis=1) == np.arange(len(likeness))))
