"""The gallery in memory under one policy: who resembles a probe, and from which score on it counts.

Everything here runs in the inference thread. The store is the record; this is its working copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from firmware.store.reference import Reference
from inference.face.pipeline import FaceRecogniser
from inference.finger.cylinders import PreparedFinger
from inference.finger.pipeline import FingerRecogniser
from inference.fusion import Evidence, FusedScore, fuse, usual_price_nats
from inference.operating_point import GalleryTooLarge, OperatingPoint, Strength, Threshold
from inference.search import FaceIndex
from inference.types import FaceTemplate, FingerPosition, FingerTemplate, Template

SHORTLIST = 20
"""How many entries of each modality's first pass are compared in full."""
SAME_FINGER_FMR = 1e-2
"""Two impressions at registration: a wrong finger by mistake is rare, a worn finger refused is not."""


@dataclass(frozen=True, slots=True)
class Policy:
    """fmr: false match rate of 1:1; fpir: chance of a wrong suggestion per 1:few search."""

    fmr: float
    fpir: float


@dataclass(frozen=True, slots=True)
class _Enrolled:
    face: FaceTemplate | None
    fingers: tuple[tuple[FingerPosition, PreparedFinger], ...]


class Matcher:
    """Compares probes with the references of one gallery under one policy.

    sources: what the fitted sensors give, such as ``face`` and ``finger/R503``.
    face_frames: how many frames make the face of a probe, and that of an entry; a search pays for them.
    """

    def __init__(
        self,
        face: FaceRecogniser | None,
        finger: FingerRecogniser | None,
        point: OperatingPoint,
        policy: Policy,
        sources: Sequence[str],
        face_frames: tuple[int, int] = (1, 1),
    ) -> None:
        self._face = face
        self._finger = finger
        self._point = point
        self._policy = policy
        self._sources = sources
        self._face_frames = face_frames
        self._enrolled: dict[bytes, _Enrolled] = {}
        self._faces = FaceIndex()

    @property
    def size(self) -> int:
        """How many entries there are."""
        return len(self._enrolled)

    @property
    def operating_point(self) -> str:
        """Name and digest of what sets the thresholds, for the records."""
        return f"{self._point.name} {self._point.digest}"

    def add(self, entry_id: bytes, templates: Iterable[Template]) -> None:
        """Take an entry into the working copy. Raises ComparisonRefused for templates of other models."""
        faces, fingers = _split(templates)
        face = self._face.combine(faces) if self._face is not None and faces else None
        prepared = (
            [(t.position, self._finger.prepare(t)) for t in fingers] if self._finger is not None else []
        )
        self._enrolled[entry_id] = _Enrolled(face, tuple(prepared))
        if face is not None:
            self._faces.add(entry_id, face.embedding)

    @property
    def models(self) -> tuple[str, ...]:
        """What makes the templates: names and digests of the models."""
        return tuple(part.made_by for part in (self._face, self._finger) if part is not None)

    def can_compare(self, template: Template) -> bool:
        """Tell whether the models in use made it; may be called from any thread."""
        part = self._face if isinstance(template, FaceTemplate) else self._finger
        return part is not None and part.made_by == template.made_by

    def gallery_digest(self, entry_ids: Iterable[bytes] | None) -> bytes:
        """Return SHA-256 over the sorted ids of these entries, or of all; 0.1 ms for 1,000."""
        return hashlib.sha256(b"".join(sorted(self._enrolled if entry_ids is None else entry_ids))).digest()

    def take_up(self, reference: Reference) -> None:
        """Take a stored entry into the working copy and wipe what was read from the store."""
        try:
            self.add(reference.entry_id, reference.templates)
        finally:
            for template in reference.templates:
                template.wipe()

    def take_up_all(self, references: Iterable[Reference]) -> None:
        """Take many stored entries: in one turn of the inference thread at the start, not one for each."""
        for reference in references:
            self.take_up(reference)

    def remove(self, entry_id: bytes) -> None:
        """Forget an entry and overwrite what was made of it; nothing happens when it is not here."""
        enrolled = self._enrolled.pop(entry_id, None)
        if enrolled is None:
            return
        if enrolled.face is not None:
            self._faces.remove(entry_id)
            enrolled.face.wipe()
        for _, finger in enrolled.fingers:
            finger.wipe()

    def same_finger(self, first: FingerTemplate, second: FingerTemplate) -> bool:
        """Tell whether two samples are of one finger, whatever positions they claim."""
        if self._finger is None:
            raise AssertionError("finger templates come from the finger recogniser")
        prepared = [self._finger.prepare(first), self._finger.prepare(second)]
        score = self._finger.compare(*prepared)
        for each in prepared:
            each.wipe()
        fused = fuse([Evidence(score, first.position)], self._point)
        return fused.llr >= self._point.threshold(fused.sources, SAME_FINGER_FMR).llr

    def threshold(
        self,
        sources: Sequence[str],
        claimed: int | None,
        price_nats: float = 0.0,
        searched: int | None = None,
    ) -> Threshold | GalleryTooLarge:
        """Return what a fused score that paid `price_nats` is held against.

        claimed: how many entries stand behind the claim, None for a search. With n entries behind a claim the
        false match rate is divided by n, so that the claim as a whole keeps it (Bonferroni); in a search the
        threshold keeps the rate of wrong suggestions for the number of entries `searched`, all by default.
        """
        if claimed is None:
            size = self.size if searched is None else searched
            return self._point.for_gallery(sources, size, self._policy.fpir, price_nats)
        return self._point.threshold(sources, self._policy.fmr / claimed, price_nats)

    def largest_galleries(self) -> dict[str, int]:
        """Return how many entries a search may have for which each source alone is enough evidence."""
        return {
            name: self._point.largest_gallery((name,), self._policy.fpir, self._usual_price_nats(name))
            for name in self._sources
        }

    def expected_wrong_suggestions(self, size: int | None = None) -> dict[str, float | None]:
        """Return for each source alone how many of 100 strangers are expected to get a suggestion.

        size: how many entries a search goes over, all of the gallery by default. None where the data do not
        support a threshold for a gallery of this size: more evidence is then asked for before anybody is
        suggested.
        """
        searched = self.size if size is None else size
        if not searched:
            return {}
        return {name: self._expected_of_100(name, searched) for name in self._sources}

    def _expected_of_100(self, source: str, size: int) -> float | None:
        price = self._usual_price_nats(source)
        threshold = self._point.for_gallery((source,), size, self._policy.fpir, price)
        if isinstance(threshold, GalleryTooLarge):
            return None
        rate = self._point.false_positive_identification_rate(size, threshold.fmr)
        return round(100 * rate, 2)

    def _usual_price_nats(self, source: str) -> float:
        return usual_price_nats(self._point, source, *self._face_frames)

    def strength(self, score: FusedScore) -> Strength:
        """Put a fused score into a word."""
        return self._point.strength(score.llr, score.sources)

    def fused(self, evidence: Sequence[Evidence]) -> FusedScore:
        """Fuse the evidence on one entry."""
        return fuse(evidence, self._point)

    def has(self, entry_id: bytes) -> bool:
        """Tell whether the entry is in the working copy."""
        return entry_id in self._enrolled

    def prepare(self, probe: FingerTemplate) -> PreparedFinger:
        """Make a finger ready for many comparisons."""
        if self._finger is None:
            raise AssertionError("finger templates come from the finger recogniser")
        return self._finger.prepare(probe)

    def evidence(self, probe: Template, prepared: PreparedFinger | None, entry_id: bytes) -> list[Evidence]:
        """Compare one probe with the references of the same instance in one entry; may be empty.

        A finger that was registered on another model of reader gives no evidence: no calibration was ever
        measured across readers.
        """
        enrolled = self._enrolled.get(entry_id)
        if enrolled is None:
            return []  # erased meanwhile, here or at another appliance of the site
        if isinstance(probe, FaceTemplate):
            if enrolled.face is None or self._face is None:
                return []
            return [Evidence(self._face.compare(probe, enrolled.face))]
        if prepared is None or self._finger is None:
            return []
        return [
            Evidence(self._finger.compare(prepared, reference), position)
            for position, reference in enrolled.fingers
            if position is probe.position and reference.sensor == prepared.sensor
        ]

    def shortlist(
        self, probe: Template, prepared: PreparedFinger | None, among: Collection[bytes] | None = None
    ) -> list[bytes]:
        """Return the entries that a first pass brings up for one probe.

        among: the ids of the only entries that are searched, the whole gallery by default.
        """
        if isinstance(probe, FaceTemplate):
            return [hit.entry_id for hit in self._faces.search(probe.embedding, SHORTLIST, among)]
        if prepared is None or self._finger is None:
            return []
        owned = [
            (entry_id, reference)
            for entry_id, enrolled in self._enrolled.items()
            if among is None or entry_id in among
            for position, reference in enrolled.fingers
            if position is probe.position and reference.sensor == prepared.sensor
        ]
        ranked = self._finger.search(prepared, [reference for _, reference in owned], SHORTLIST)
        return [owned[hit.index][0] for hit in ranked]


def _split(templates: Iterable[Template]) -> tuple[list[FaceTemplate], list[FingerTemplate]]:
    faces: list[FaceTemplate] = []
    fingers: list[FingerTemplate] = []
    for template in templates:
        match template:
            case FaceTemplate():
                faces.append(template)
            case FingerTemplate():
                fingers.append(template)
            case _:
                assert_never(template)
    return faces, fingers
