"""Check-in: what the capture session compares, suggests and records for one arrival."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from firmware.clock import Clock, random_id
from firmware.presenter import Presenter
from firmware.records import Attempts, CheckIn, Mode, Moment, Outcome, StageTime, Use
from firmware.session.acquire import InThread
from firmware.session.attempts import Failed, Matched, Standing, step
from firmware.session.comparison import Comparison, Verdict
from firmware.session.machine import Concluded, Show, Weight
from firmware.session.matching import Matcher
from firmware.session.runner import Taken
from firmware.store.reference import Reference
from firmware.store.thread import RunInStore
from inference.fusion import FusedScore
from inference.operating_point import Strength
from inference.types import FaceTemplate, Template
from sensors.board.signals import Signal
from sensors.frames import RetryReason
from trust.consent import Purpose

_NAMING_AN_ENTRY = (Outcome.MATCH, Outcome.SUGGESTION)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A candidate as staff see it; never shown to bystanders."""

    subject: str
    strength: Strength


Confirm: TypeAlias = Callable[[Sequence[Suggestion]], Awaitable[int | None]]
"""Shows at most three suggestions to staff; returns the index of the one that they confirm, or None."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Whom somebody says to be, the entries behind it, and how often it failed before."""

    subject: str
    references: Sequence[Reference]
    attempts: Attempts


@dataclass(frozen=True, slots=True)
class CheckInResult:
    """One finished check-in.

    subject: of the matched or confirmed entry, None otherwise. suggested: what staff were shown.
    stages: those of the record, and the commit. standing: what is left of the tries of the claim that failed.
    """

    seq: int
    record: CheckIn
    subject: str | None
    strength: Strength | None
    suggested: tuple[Suggestion, ...]
    stages: tuple[StageTime, ...]
    standing: Standing | None = None


class CheckInHost:
    """The surroundings of one check-in session (`SessionHost`).

    claim: None for a search (1:few). among: the ids of the only entries that are searched, None for all.
    """

    def __init__(
        self,
        *,
        claim: Claim | None,
        purpose: Purpose,
        matcher: Matcher,
        in_inference: InThread,
        in_store: RunInStore,
        presenter: Presenter,
        clock: Clock,
        confirm: Confirm,
        committed: Callable[[], None],
        operator: str,
        input_key: bytes,
        among: Collection[bytes] | None = None,
    ) -> None:
        self._mode = Mode.IDENTIFY if claim is None else Mode.VERIFY
        self._claim = claim
        self._standing: Standing | None = None
        claimed_ids = None if claim is None else [reference.entry_id for reference in claim.references]
        self._comparison = Comparison(matcher, claimed_ids, among)
        self._purpose = purpose
        self._matcher = matcher
        self._in_inference = in_inference
        self._in_store = in_store
        self._presenter = presenter
        self._clock = clock
        self._confirm = confirm
        self._committed = committed
        self._compared_ids = claimed_ids if claimed_ids is not None else among
        self._operator = operator
        self._input_key = input_key
        self._began = clock.now()
        self._verdict = Verdict(None, None, ())
        self._chosen = 0
        self._suggested: tuple[Suggestion, ...] = ()
        self.result: CheckInResult | None = None

    def show(self, effect: Show) -> None:
        """Show a signal; after a failed try of a claim with the tries left and the time to wait."""
        if effect.signal is Signal.GO_TO_A_PERSON and self._standing is not None:
            left = self._standing
            effect = replace(effect, tries_left=left.tries_left, wait_s=left.wait_s or None)
        self._presenter.show(effect)

    async def accept(self, template: Template, taken: Taken) -> RetryReason | None:
        """Take every template that was good enough to be made."""
        return None

    async def compare(self, taken: Taken) -> Weight:
        """Compare all that was taken with the claim, or with the gallery."""
        self._verdict = await self._in_inference(lambda: self._comparison.weigh(taken.templates))
        return self._verdict.weight

    async def suggest(self, taken: Taken) -> bool:
        """Show the candidates to staff and wait for their answer."""
        suggestions = [
            Suggestion(await self._subject(candidate.entry_id) or "", candidate.strength)
            for candidate in self._verdict.candidates
        ]
        self._suggested = tuple(suggestions)
        chosen = await self._confirm(suggestions)
        if chosen is None or not 0 <= chosen < len(suggestions):
            return False
        self._chosen = chosen
        return True

    async def record(self, concluded: Concluded, taken: Taken) -> None:
        """Commit record, audit row and outbox row in one transaction."""
        self._comparison.wipe()
        record = self._record(concluded, taken)
        moment = self._clock.now()
        with taken.stages.timed("commit"):
            claim = self._note_attempt(concluded, taken, moment)
            use = self._use(record, taken, claim[1] if claim is not None else None)
            seq = await self._in_store(lambda store: store.commit_check_in(moment, record, claim, use))
        self._committed()
        settled = concluded.outcome is Outcome.MATCH or concluded.confirmed
        subject = await self._subject(record.entry_id) if settled and record.entry_id else None
        strength = self._verdict.candidates[self._chosen].strength if settled else None
        self.result = CheckInResult(
            seq, record, subject, strength, self._suggested, taken.stages.times(), self._standing
        )

    def _note_attempt(
        self, concluded: Concluded, taken: Taken, moment: Moment
    ) -> tuple[str, Attempts] | None:
        """Return the attempts of the claim as they now stand, None when this was no attempt."""
        if self._claim is None:
            return None
        if concluded.outcome is Outcome.MATCH:
            attempts, _ = step(self._claim.attempts, Matched())
        elif concluded.outcome is Outcome.NO_MATCH or taken.held_back:
            attempts, self._standing = step(self._claim.attempts, Failed(moment))
        else:
            return None
        return self._claim.subject, attempts

    def _use(self, record: CheckIn, taken: Taken, attempts: Attempts | None) -> Use:
        score = self._score(record.outcome)
        return Use(
            began=self._began,
            gallery_digest=self._matcher.gallery_digest(self._compared_ids),
            models=self._matcher.models,
            operator=self._operator,
            input_digest=_keyed_digest(self._input_key, taken.templates) if record.entry_id else None,
            strength=self._matcher.strength(score).value if score is not None else "",
            failed_in_a_row=attempts.failed_in_a_row if attempts is not None else None,
        )

    def _score(self, outcome: Outcome) -> FusedScore | None:
        if outcome in _NAMING_AN_ENTRY:
            return self._verdict.candidates[self._chosen].score
        return self._verdict.best

    def _record(self, concluded: Concluded, taken: Taken) -> CheckIn:
        verdict, outcome = self._verdict, concluded.outcome
        if outcome is None:
            raise AssertionError("a check-in has an outcome; only a registration has none")
        chosen = verdict.candidates[self._chosen] if outcome in _NAMING_AN_ENTRY else None
        score = self._score(outcome)
        return CheckIn(
            record_id=random_id(),
            mode=self._mode,
            outcome=outcome,
            entry_id=chosen.entry_id if chosen is not None else None,
            reason=concluded.reason,
            modalities=taken.modalities(),
            tries=concluded.tries,
            score_llr=score.llr if score is not None else None,
            threshold_llr=verdict.threshold_llr,
            operating_point=self._matcher.operating_point,
            gallery_size=self._comparison.gallery_size,
            stages=taken.stages.times(),
            confirmed=concluded.confirmed,
            attack_score=taken.attack_score,
        )

    async def _subject(self, entry_id: bytes) -> str | None:
        reference = await self._in_store(lambda store: store.gallery.reference(self._purpose, entry_id))
        return reference.subject if reference is not None else None


def _keyed_digest(key: bytes, templates: Sequence[Template]) -> bytes:
    """Return HMAC-SHA-256 over the numbers of the templates, in order."""
    digest = hmac.new(key, digestmod="sha256")
    for template in templates:
        values = template.embedding if isinstance(template, FaceTemplate) else template.minutiae
        digest.update(np.ascontiguousarray(values).data.cast("B"))
    return digest.digest()
