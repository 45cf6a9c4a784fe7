"""The gallery in memory under one policy: who resembles a probe, and from which score on it counts.

Everything here runs in the inference thread. The store is the record; this is its working copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, assert_never

from firmware.protection import TemplateProtection
from firmware.store.reference import Reference
from inference.errors import OtherProtectionKey
from inference.face.pipeline import FaceRecogniser
from inference.finger.cylinders import PreparedFinger
from inference.finger.pipeline import FingerRecogniser
from inference.fusion import Evidence, FusedScore, fuse, usual_price_nats
from inference.operating_point import GalleryTooLarge, OperatingPoint, Strength, Threshold
from inference.protection.finger_index import FingerIndex, FingerPlace
from inference.search import FaceIndex
from inference.types import (
    FaceTemplate,
    FingerPosition,
    FingerTemplate,
    ProtectedFace,
    ProtectedFinger,
    ProtectedTemplate,
    Template,
)
from trust.gallery.errors import EntryRefused

SHORTLIST = 20
"""How many entries a search for one probe brings up; further probes are compared with these too."""
SAME_FINGER_FMR = 1e-2
"""Two impressions at registration: a wrong finger by mistake is rare, a worn finger refused is not."""
SAME_FACE_FMR = 1e-2
"""Two images of one file: the same."""


@dataclass(frozen=True, slots=True)
class Policy:
    """fmr: false match rate of 1:1; fpir: chance of a wrong suggestion per 1:few search."""

    fmr: float
    fpir: float


class _Enrolled(NamedTuple):
    """face: of which the index has the embedding, shared by all entries that differ in nothing else."""

    face: _FaceFacts | None
    fingers: tuple[FingerPlace, ...]


class _FaceFacts(NamedTuple):
    quality: int
    made_by: str
    frames: int


@dataclass(frozen=True, slots=True, eq=False)
class FingerProbe:
    """A finger made ready for many comparisons; it lives as long as its session."""

    position: FingerPosition
    prepared: PreparedFinger

    def wipe(self) -> None:
        """Overwrite what was made of the finger."""
        self.prepared.wipe()


Probe = ProtectedFace | FingerProbe
"""A probe as it is compared: the face under the gallery's key, as the references are."""


class Matcher:
    """Compares probes with the references of one gallery under one policy.

    sources: what the fitted sensors give, such as ``face`` and ``finger/R503``. protection: of this gallery.
    face_frames: how many frames make the face of a probe, and that of an entry; a search pays for them.
    """

    def __init__(
        self,
        face: FaceRecogniser | None,
        finger: FingerRecogniser | None,
        point: OperatingPoint,
        policy: Policy,
        sources: Sequence[str],
        protection: TemplateProtection,
        face_frames: tuple[int, int] = (1, 1),
    ) -> None:
        self._face = face
        self._finger = finger
        self._protection = protection
        self._point = point
        self._policy = policy
        self._sources = sources
        self._face_frames = face_frames
        self._enrolled: dict[bytes, _Enrolled] = {}
        self._faces = FaceIndex()
        self._face_facts: dict[_FaceFacts, _FaceFacts] = {}
        self._finger_index = FingerIndex()

    @property
    def size(self) -> int:
        """How many entries there are."""
        return len(self._enrolled)

    @property
    def operating_point(self) -> str:
        """Name and digest of what sets the thresholds, for the records."""
        return f"{self._point.name} {self._point.digest}"

    def protect(self, entry_id: bytes, templates: Iterable[Template]) -> tuple[ProtectedTemplate, ...]:
        """Return the form of templates that is stored and enrolled under this entry."""
        return tuple(self._protection.protect(template, entry_id) for template in templates)

    def plain(self, entry_id: bytes, templates: Iterable[ProtectedTemplate]) -> tuple[Template, ...]:
        """Return what was protected under this entry, to be sealed for other appliances; the caller wipes it.

        `protect` and this may be called from any thread. Raises OtherProtectionKey and EntryRefused.
        """
        return tuple(self._protection.plain(template, entry_id) for template in templates)

    def add(self, entry_id: bytes, templates: Iterable[ProtectedTemplate]) -> None:
        """Take an entry into the working copy, which keeps copies.

        Raises ComparisonRefused for templates of other models, OtherProtectionKey for those under another
        key, and EntryRefused for a finger that belongs to another entry.
        """
        faces, fingers = _split(templates)
        self._protection.require_own([*faces, *fingers])
        minutiae = self._protection.minutiae_of(fingers, entry_id)
        face = self._face.combine(faces) if self._face is not None and faces else None
        self.remove(entry_id)  # it may be here in an earlier form
        facts = None
        if face is not None:
            self._faces.add(entry_id, face.embedding)
            facts = _FaceFacts(face.quality, face.made_by, face.frames)
            facts = self._face_facts.setdefault(facts, facts)
            face.wipe()
        places: tuple[FingerPlace, ...] = ()
        if self._finger is not None:
            pairs = zip(fingers, minutiae, strict=True)
            places = tuple(self._finger_index.add(entry_id, finger, most) for finger, most in pairs)
        self._enrolled[entry_id] = _Enrolled(facts, places)

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
        """Take a stored entry into the working copy and wipe what was read. Raises as `add` does."""
        try:
            self.add(reference.entry_id, reference.templates)
        finally:
            for template in reference.templates:
                template.wipe()

    def take_up_all(self, references: Iterable[Reference]) -> list[str]:
        """Take many stored entries; returns why some are refused, one sentence each.

        In one turn of the inference thread at the start, not one for each. An entry that was moved or is
        under another key must not keep the others from being served.
        """
        refused = []
        for reference in references:
            try:
                self.take_up(reference)
            except (OtherProtectionKey, EntryRefused) as error:
                refused.append(str(error))
        return refused

    def remove(self, entry_id: bytes) -> None:
        """Forget an entry and overwrite what was made of it; nothing happens when it is not here."""
        enrolled = self._enrolled.pop(entry_id, None)
        if enrolled is None:
            return
        if enrolled.face is not None:
            self._faces.remove(entry_id)
        for place in enrolled.fingers:
            self._finger_index.remove(place)

    def same_finger(self, first: FingerTemplate, second: FingerTemplate) -> bool:
        """Tell whether two samples are of one finger, whatever positions they claim."""
        recogniser = self._fingers()
        prepared = [recogniser.prepare(first), recogniser.prepare(second)]
        score = recogniser.compare(*prepared)
        for each in prepared:
            each.wipe()
        fused = fuse([Evidence(score, first.position)], self._point)
        return fused.llr >= self._point.threshold(fused.sources, SAME_FINGER_FMR).llr

    def same_face(self, first: FaceTemplate, second: FaceTemplate) -> bool:
        """Tell whether two samples are of one face."""
        if self._face is None:
            raise AssertionError("a face was made into a template here")
        fused = fuse([Evidence(self._face.compare(first, second))], self._point)
        return fused.llr >= self._point.threshold(fused.sources, SAME_FACE_FMR).llr

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

    def prepare(self, probe: Template) -> Probe:
        """Make a probe ready for many comparisons; the caller wipes it."""
        if isinstance(probe, FaceTemplate):
            return self._protection.face(probe)
        return FingerProbe(probe.position, self._fingers().prepare(probe))

    def evidence(self, probe: Probe, entry_id: bytes) -> list[Evidence]:
        """Compare one probe with the references of the same instance in one entry; may be empty.

        A finger that was registered on another model of reader gives no evidence: no calibration was ever
        measured across readers.
        """
        enrolled = self._enrolled.get(entry_id)
        if enrolled is None:
            return []  # erased meanwhile, here or at another appliance of the site
        if isinstance(probe, ProtectedFace):
            if enrolled.face is None or self._face is None:
                return []
            embedding = self._faces.embedding(entry_id)
            reference = ProtectedFace(
                embedding, *enrolled.face[:2], self._protection.key_id, enrolled.face.frames
            )
            return [Evidence(self._face.compare(probe, reference))]
        return [
            self._finger_evidence(probe, place, entry_id)
            for place in enrolled.fingers
            if place.is_of(probe.position, probe.prepared.sensor)
        ]

    def shortlist(self, probe: Probe, among: Collection[bytes] | None = None) -> dict[bytes, list[Evidence]]:
        """Return the entries that a search for one probe brings up, best first, with the evidence on each.

        among: the ids of the only entries that are searched, the whole gallery by default.
        """
        if isinstance(probe, ProtectedFace):
            hits = self._faces.search(probe.embedding, SHORTLIST, among)
            return {hit.entry_id: self.evidence(probe, hit.entry_id) for hit in hits}
        fingers = (
            None
            if among is None
            else [
                place
                for entry_id in among
                if self.has(entry_id)
                for place in self._enrolled[entry_id].fingers
            ]
        )
        codes, sensor = self._protection.codes(probe.prepared), probe.prepared.sensor
        kept = self._finger_index.shortlist(codes, probe.position, sensor, fingers)
        found = {entry_id: self.evidence(probe, entry_id) for entry_id in dict.fromkeys(kept)}
        best = sorted(found, key=lambda entry_id: -max(each.score.raw for each in found[entry_id]))
        return {entry_id: found[entry_id] for entry_id in best[:SHORTLIST]}

    def _finger_evidence(self, probe: FingerProbe, place: FingerPlace, entry_id: bytes) -> Evidence:
        """Open one reference for one comparison (1 ms besides it)."""
        recogniser = self._fingers()
        plain = self._protection.unsealed(self._finger_index.sealed(place), entry_id)
        try:
            reference = recogniser.prepare(plain)
        finally:
            plain.wipe()
        try:
            return Evidence(recogniser.compare(probe.prepared, reference), probe.position)
        finally:
            reference.wipe()

    def _fingers(self) -> FingerRecogniser:
        if self._finger is None:
            raise AssertionError("finger templates come from the finger recogniser")
        return self._finger


def _split(templates: Iterable[ProtectedTemplate]) -> tuple[list[ProtectedFace], list[ProtectedFinger]]:
    faces: list[ProtectedFace] = []
    fingers: list[ProtectedFinger] = []
    for template in templates:
        match template:
            case ProtectedFace():
                faces.append(template)
            case ProtectedFinger():
                fingers.append(template)
            case _:
                assert_never(template)
    return faces, fingers
