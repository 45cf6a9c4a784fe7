"""The gallery in memory and the policy: from templates to candidates, and whether they are enough.

Everything here runs in the inference thread. The store is the record; this is its working copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from inference.face.pipeline import FaceRecogniser
from inference.finger.cylinders import PreparedFinger
from inference.finger.pipeline import FingerRecogniser
from inference.fusion import Evidence, FusedScore, fuse
from inference.operating_point import GalleryTooLarge, OperatingPoint, Strength, Threshold
from inference.search import FaceIndex
from inference.types import FaceTemplate, FingerPosition, FingerTemplate, Template

MAX_CANDIDATES = 3
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
class Candidate:
    """One entry that the probe resembles (ISO/IEC 2382-37: candidate)."""

    entry_id: bytes
    score: FusedScore
    strength: Strength


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy makes of all evidence so far.

    best: the highest fused score, None when nothing could be compared. threshold: what it was held against.
    candidates: entries at or above the threshold, best first, at most three; empty when not sufficient.
    """

    best: FusedScore | None
    threshold: Threshold | GalleryTooLarge | None
    candidates: tuple[Candidate, ...]

    @property
    def sufficient(self) -> bool:
        """Whether there is a candidate."""
        return bool(self.candidates)

    @property
    def threshold_llr(self) -> float | None:
        """The threshold as a number, None where there was none."""
        return self.threshold.llr if isinstance(self.threshold, Threshold) else None


@dataclass(frozen=True, slots=True)
class _Enrolled:
    face: FaceTemplate | None
    fingers: tuple[tuple[FingerPosition, PreparedFinger], ...]


class Matcher:
    """Compares probes with the references of one gallery under one policy."""

    def __init__(
        self,
        face: FaceRecogniser | None,
        finger: FingerRecogniser | None,
        point: OperatingPoint,
        policy: Policy,
    ) -> None:
        self._face = face
        self._finger = finger
        self._point = point
        self._policy = policy
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
        """Take an entry into the working copy. Raises TemplateMismatch for templates of other models."""
        faces, fingers = _split(templates)
        face = self._face.combine(faces) if self._face is not None and faces else None
        prepared = (
            [(t.position, self._finger.prepare(t)) for t in fingers] if self._finger is not None else []
        )
        self._enrolled[entry_id] = _Enrolled(face, tuple(prepared))
        if face is not None:
            self._faces.add(entry_id, face.embedding)

    def remove(self, entry_id: bytes) -> None:
        """Forget an entry; nothing happens when it is not here."""
        enrolled = self._enrolled.pop(entry_id, None)
        if enrolled is not None and enrolled.face is not None:
            self._faces.remove(entry_id)

    def verify(self, probes: Sequence[Template], entry_ids: Sequence[bytes]) -> Verdict:
        """1:1 against the claimed entry, or the few entries of one claim.

        With n entries behind the claim the false match rate is divided by n, so that the claim as a whole
        keeps it (Bonferroni).
        """
        known = [entry_id for entry_id in entry_ids if entry_id in self._enrolled]
        scored = self._score(probes, known)
        if not scored:
            return Verdict(None, None, ())
        fmr = self._policy.fmr / len(known)
        best = scored[0][1]
        return self._verdict(scored, self._point.threshold(best.sources, fmr))

    def identify(self, probes: Sequence[Template]) -> Verdict:
        """1:few over the whole gallery; the threshold keeps the rate of wrong suggestions for its size."""
        scored = self._score(probes, self._shortlist(probes))
        if not scored:
            return Verdict(None, None, ())
        best = scored[0][1]
        return self._verdict(scored, self._point.for_gallery(best.sources, self.size, self._policy.fpir))

    def same_finger(self, first: FingerTemplate, second: FingerTemplate) -> bool:
        """Tell whether two samples are of one finger, whatever positions they claim."""
        if self._finger is None:
            raise AssertionError("finger templates come from the finger recogniser")
        score = self._finger.compare(self._finger.prepare(first), self._finger.prepare(second))
        fused = fuse([Evidence(score, first.position)], self._point)
        return fused.llr >= self._point.threshold(fused.sources, SAME_FINGER_FMR).llr

    def _verdict(
        self, scored: list[tuple[bytes, FusedScore]], threshold: Threshold | GalleryTooLarge
    ) -> Verdict:
        best = scored[0][1]
        # An unsupported threshold rests on the calibration alone: no rate may be claimed from it, so it is
        # no ground for a match. More evidence (another finger, the face) brings a supported one.
        if isinstance(threshold, GalleryTooLarge) or not threshold.supported:
            return Verdict(best, threshold, ())
        above = tuple(
            Candidate(entry_id, score, self._point.strength(score.llr, score.sources))
            for entry_id, score in scored[:MAX_CANDIDATES]
            if score.llr >= threshold.llr and score.sources == best.sources
        )
        return Verdict(best, threshold, above)

    def _score(
        self, probes: Sequence[Template], entry_ids: Iterable[bytes]
    ) -> list[tuple[bytes, FusedScore]]:
        """Fuse all comparisons with each entry, best first; an entry without any is left out."""
        prepared = [
            self._finger.prepare(probe) if isinstance(probe, FingerTemplate) and self._finger else None
            for probe in probes
        ]
        scored = []
        for entry_id in entry_ids:
            enrolled = self._enrolled[entry_id]
            evidence = []
            for probe, ready in zip(probes, prepared, strict=True):
                if isinstance(probe, FaceTemplate):
                    if enrolled.face is not None and self._face is not None:
                        evidence.append(Evidence(self._face.compare(probe, enrolled.face)))
                elif ready is not None and self._finger is not None:
                    evidence += [
                        Evidence(self._finger.compare(ready, reference), position)
                        for position, reference in enrolled.fingers
                        if position is probe.position
                    ]
            if evidence:
                scored.append((entry_id, fuse(evidence, self._point)))
        scored.sort(key=lambda pair: -pair[1].llr)
        return scored

    def _shortlist(self, probes: Sequence[Template]) -> list[bytes]:
        """Return the entries that the first pass of any probe brings up."""
        found: dict[bytes, None] = {}
        for probe in probes:
            if isinstance(probe, FaceTemplate):
                found |= dict.fromkeys(hit.entry_id for hit in self._faces.search(probe.embedding, SHORTLIST))
            elif self._finger is not None:
                owned = [
                    (entry_id, reference)
                    for entry_id, enrolled in self._enrolled.items()
                    for position, reference in enrolled.fingers
                    if position is probe.position
                ]
                ranked = self._finger.search(
                    self._finger.prepare(probe), [reference for _, reference in owned], SHORTLIST
                )
                found |= dict.fromkeys(owned[hit.index][0] for hit in ranked)
        return list(found)


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
