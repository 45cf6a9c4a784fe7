"""What `aidpost evaluate protection` reports."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from inference.evaluation.protection.attacks import GalleriesLinked, Recovered
from inference.evaluation.protection.linkability import Linkability
from inference.evaluation.report import FnmrAtFmr


class SchemeReport(msgspec.Struct, frozen=True):
    """One way to protect templates, under one key for all people of a gallery.

    bytes: of a stored template, without its envelope. eer, fnmr_at_fmr: with everybody under one key, as the
    gallery sees it, and as an impostor does who stole the key. eer_without_key: impostors whose
    templates are under another key. largest_change: of a score against the unprotected one; None where the
    scale is another. linkability: of two images of a person under two keys; renewed: of one template.
    with_key: what comes back with the stolen key; learnt: without it, by how many known templates or
    cylinders. protect_us: microseconds for one template. search_ms: a probe against 10,000. compare_us: a
    probe against one. All three are the least of many. size, size_renewed: as linkability and renewed, by
    the bytes of the stored templates alone. first_pass_lost: share of searches in which the right template
    is not among so many first ones.
    """

    name: str
    shipped: bool
    bytes: int
    eer: float
    eer_interval_95_by_identity: tuple[float, float] | None
    fnmr_at_fmr: dict[str, FnmrAtFmr]
    eer_without_key: float
    largest_change: float | None
    linkability: Linkability
    renewed: Linkability
    with_key: Recovered | UnsetType
    learnt: dict[str, Recovered] | UnsetType
    galleries: GalleriesLinked | UnsetType
    protect_us: float
    search_ms: float | UnsetType = UNSET
    compare_us: float | UnsetType = UNSET
    size: Linkability | UnsetType = UNSET
    size_renewed: Linkability | UnsetType = UNSET
    first_pass_lost: dict[str, float] | UnsetType = UNSET


class ProtectionReport(msgspec.Struct, frozen=True):
    """All schemes on the same templates.

    unprotected_accepted: share of pairs of images of a person that an unprotected system accepts at FMR 1e-3.
    """

    source: str
    protocol: str
    images: int
    identities: int
    genuine: int
    impostor: int
    model_digests: tuple[str, ...]
    unprotected_accepted: float | UnsetType
    schemes: tuple[SchemeReport, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CrossScores:
    """Scores of templates under two keys, of one person and of two, shapes (n,) and (m,).

    drawn: whether the picture shows them.
    """

    scheme: str
    mated: NDArray[np.floating]
    non_mated: NDArray[np.floating]
    d_sys: float
    drawn: bool


@dataclass(frozen=True, slots=True, eq=False)
class Protection:
    """The figures, and the scores that the pictures show: of one pair of keys each."""

    report: ProtectionReport
    cross: tuple[CrossScores, ...]
