"""Check-in: what the capture session compares, suggests and records for one arrival."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from firmware.clock import Clock, random_id
from firmware.presenter import Presenter
from firmware.records import CheckIn, Mode, Outcome, StageTime
from firmware.session.acquire import InThread
from firmware.session.comparison import Comparison, Verdict
from firmware.session.machine import Concluded, Show, Weight
from firmware.session.matching import Matcher
from firmware.session.runner import Taken
from firmware.store.reference import Reference
from firmware.store.thread import RunInStore
from inference.operating_point import Strength
from inference.types import Template
from sensors.frames import RetryReason
from trust.consent import Purpose


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A candidate as staff see it; never shown to bystanders."""

    subject: str
    strength: Strength


Confirm: TypeAlias = Callable[[Sequence[Suggestion]], Awaitable[int | None]]
"""Shows at most three suggestions to staff; returns the index of the one that they confirm, or None."""


@dataclass(frozen=True, slots=True)
class CheckInResult:
    """One finished check-in.

    subject: of the matched or confirmed entry, None otherwise. suggested: what staff were shown.
    stages: those of the record, and the commit.
    """

    seq: int
    record: CheckIn
    subject: str | None
    strength: Strength | None
    suggested: tuple[Suggestion, ...]
    stages: tuple[StageTime, ...]


class CheckInHost:
    """The surroundings of one check-in session (`SessionHost`)."""

    def __init__(
        self,
        *,
        mode: Mode,
        claimed: Sequence[Reference],
        purpose: Purpose,
        matcher: Matcher,
        in_inference: InThread,
        in_store: RunInStore,
        presenter: Presenter,
        clock: Clock,
        confirm: Confirm,
        committed: Callable[[], None],
    ) -> None:
        self._mode = mode
        claimed_ids = [reference.entry_id for reference in claimed] if mode is Mode.VERIFY else None
        self._comparison = Comparison(matcher, claimed_ids)
        self._purpose = purpose
        self._matcher = matcher
        self._in_inference = in_inference
        self._in_store = in_store
        self._presenter = presenter
        self._clock = clock
        self._confirm = confirm
        self._committed = committed
        self._verdict = Verdict(None, None, ())
        self._chosen = 0
        self._suggested: tuple[Suggestion, ...] = ()
        self.result: CheckInResult | None = None

    def show(self, effect: Show) -> None:
        """Show a signal."""
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
            seq = await self._in_store(lambda store: store.commit_check_in(moment, record))
        self._committed()
        settled = concluded.outcome is Outcome.MATCH or concluded.confirmed
        subject = await self._subject(record.entry_id) if settled and record.entry_id else None
        strength = self._verdict.candidates[self._chosen].strength if settled else None
        self.result = CheckInResult(seq, record, subject, strength, self._suggested, taken.stages.times())

    def _record(self, concluded: Concluded, taken: Taken) -> CheckIn:
        verdict, outcome = self._verdict, concluded.outcome
        if outcome is None:
            raise AssertionError("a check-in has an outcome; only a registration has none")
        names_entry = outcome in (Outcome.MATCH, Outcome.SUGGESTION)
        chosen = verdict.candidates[self._chosen] if names_entry else None
        score = chosen.score if chosen is not None else verdict.best
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
            gallery_size=self._matcher.size,
            stages=taken.stages.times(),
            confirmed=concluded.confirmed,
            attack_score=taken.attack_score,
        )

    async def _subject(self, entry_id: bytes) -> str | None:
        reference = await self._in_store(lambda store: store.reference(self._purpose, entry_id))
        return reference.subject if reference is not None else None
