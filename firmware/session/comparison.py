"""One session's comparisons: all evidence so far, fused and weighed against the policy's threshold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from firmware.session.machine import Weight
from firmware.session.matching import Matcher, Probe
from inference.fusion import Evidence, FusedScore
from inference.operating_point import GalleryTooLarge, Strength, Threshold
from inference.types import Template

MAX_CANDIDATES = 3


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
    def weight(self) -> Weight:
        """What the session makes of it."""
        if self.candidates:
            return Weight.SUFFICIENT
        return Weight.SPEAKS_FOR if self.best is not None and self.best.llr > 0 else Weight.SPEAKS_AGAINST

    @property
    def threshold_llr(self) -> float | None:
        """The threshold as a number, None where there was none."""
        return self.threshold.llr if isinstance(self.threshold, Threshold) else None


class Comparison:
    """All comparisons of one session; what was compared once is not compared again.

    claimed: the entries behind the claim (1:1), or None for a search (1:few). among: the ids of the only
    entries that are searched, the whole gallery by default.
    """

    def __init__(
        self, matcher: Matcher, claimed: Sequence[bytes] | None, among: Collection[bytes] | None = None
    ) -> None:
        self._matcher = matcher
        self._among = None if among is None else frozenset(entry for entry in among if matcher.has(entry))
        self._claimed = None if claimed is None else [entry for entry in claimed if matcher.has(entry)]
        self._prepared: list[Probe] = []
        self._candidates: dict[bytes, None] = dict.fromkeys(self._claimed or ())
        self._evidence: dict[tuple[int, bytes], list[Evidence]] = {}

    @property
    def gallery_size(self) -> int:
        """How many entries a search goes over; of a comparison with a claim, those of the whole gallery."""
        return self._matcher.size if self._among is None else len(self._among)

    def weigh(self, probes: Sequence[Template]) -> Verdict:
        """Weigh all probes of the session; earlier calls saw the first of the same ones."""
        for probe in probes[len(self._prepared) :]:
            number, prepared = len(self._prepared), self._matcher.prepare(probe)
            self._prepared.append(prepared)
            if self._claimed is None:
                brought_up = self._matcher.shortlist(prepared, self._among)
                self._candidates |= dict.fromkeys(brought_up)
                self._evidence |= {(number, entry_id): each for entry_id, each in brought_up.items()}
        found = [
            (entry_id, self._all_of(entry_id))
            for entry_id in self._candidates
            if self._matcher.has(entry_id)  # it may have been erased during the session
        ]
        scored = [(entry_id, self._matcher.fused(evidence)) for entry_id, evidence in found if evidence]
        scored.sort(key=lambda pair: -pair[1].llr)
        return self._verdict(scored)

    def _all_of(self, entry_id: bytes) -> list[Evidence]:
        return [each for number in range(len(self._prepared)) for each in self._of(number, entry_id)]

    def wipe(self) -> None:
        """Overwrite what was made of the probes."""
        for prepared in self._prepared:
            prepared.wipe()

    def _of(self, number: int, entry_id: bytes) -> list[Evidence]:
        key = (number, entry_id)
        if key not in self._evidence:
            self._evidence[key] = self._matcher.evidence(self._prepared[number], entry_id)
        return self._evidence[key]

    def _verdict(self, scored: Sequence[tuple[bytes, FusedScore]]) -> Verdict:
        if not scored:
            return Verdict(None, None, ())
        best = scored[0][1]
        claimed = None if self._claimed is None else len(self._claimed)
        threshold = self._matcher.threshold(best.sources, claimed, best.price_nats, self.gallery_size)
        # An unsupported threshold rests on the calibration alone: no rate may be claimed from it, so it is
        # no ground for a match. More evidence (another finger, the face) brings a supported one.
        if isinstance(threshold, GalleryTooLarge) or not threshold.supported:
            return Verdict(best, threshold, ())
        above = tuple(
            Candidate(entry_id, score, self._matcher.strength(score))
            for entry_id, score in scored[:MAX_CANDIDATES]
            if score.llr >= threshold.llr and score.sources == best.sources
        )
        return Verdict(best, threshold, above)
