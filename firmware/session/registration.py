"""Registration: consent first, then the samples that the person can give, then one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from firmware.clock import Clock, random_id
from firmware.presenter import Presenter
from firmware.records import Registration
from firmware.session.acquire import InThread
from firmware.session.comparison import Comparison
from firmware.session.machine import Concluded, Presentation, Show, Weight
from firmware.session.matching import Matcher
from firmware.session.runner import Taken
from firmware.store.reference import Reference
from firmware.store.thread import RunInStore
from inference.types import FaceTemplate, FingerPosition, FingerTemplate, Template
from sensors.frames import RetryReason
from trust.consent import Consent, Purpose
from trust.service import ASKED_FOR_HELP


@dataclass(frozen=True, slots=True)
class NoticeAnswer:
    """What the person answered to which notice; language is a BCP 47 tag."""

    consent: Consent
    version: str
    language: str


@dataclass(frozen=True, slots=True)
class RegistrationResult:
    """One finished registration.

    record: None when the person went to staff before anything was stored. missing: what could not be taken;
    it is not asked for for ever. possible_same: subjects of entries
    that resemble this person; that is a question for an adjudicator and never stops the service.
    """

    seq: int | None
    record: Registration | None
    missing: tuple[Presentation, ...]
    possible_same: tuple[str, ...]


class RegistrationHost:
    """The surroundings of one registration session (`SessionHost`)."""

    def __init__(
        self,
        *,
        subject: str,
        asked: Sequence[Presentation],
        site: str,
        purpose: Purpose,
        answer: NoticeAnswer,
        matcher: Matcher,
        in_inference: InThread,
        in_store: RunInStore,
        presenter: Presenter,
        clock: Clock,
        committed: Callable[[], None],
        noted: bytes | None = None,
    ) -> None:
        """noted: the id under which the answer was stored already; the record gets the same."""
        self._subject = subject
        self._asked = asked
        self._site = site
        self._purpose = purpose
        self._answer = answer
        self._matcher = matcher
        self._in_inference = in_inference
        self._in_store = in_store
        self._presenter = presenter
        self._clock = clock
        self._committed = committed
        self._record_id = noted or random_id()
        self.result: RegistrationResult | None = None

    async def note_answer(self) -> None:
        """Store the answer to the notice; called before the session, so that it comes before capture."""
        answer, moment = self._answer, self._clock.now()
        notice = f"{answer.version} {answer.language}"
        await self._in_store(lambda store: store.note_answer(moment, self._record_id, answer.consent, notice))

    def show(self, effect: Show) -> None:
        """Show a signal."""
        self._presenter.show(effect)

    async def accept(self, template: Template, taken: Taken) -> RetryReason | None:
        """Refuse a finger that is not the one asked for: two different fingers never enrol as one."""
        if isinstance(template, FaceTemplate):
            return None
        fingers = [other for other in taken.templates if isinstance(other, FingerTemplate)]

        def fits() -> bool:
            return all(
                self._matcher.same_finger(template, other) == (other.position is template.position)
                for other in fingers
            )

        return None if await self._in_inference(fits) else RetryReason.SAME_FINGER

    async def compare(self, taken: Taken) -> Weight:
        """Registration compares once, at its end; the machine never asks for it before."""
        raise AssertionError("a registration session does not compare sample by sample")

    async def suggest(self, taken: Taken) -> bool:
        """Registration suggests nobody."""
        raise AssertionError("a registration session suggests nobody")

    async def record(self, concluded: Concluded, taken: Taken) -> None:
        """Commit the entry with its record; nothing when the person asked for help instead."""
        if concluded.reason == ASKED_FOR_HELP:
            self.result = RegistrationResult(None, None, (), ())
            return
        templates = tuple(taken.templates)
        possible_same = await self._resembling(templates)
        reference = await self._protected(templates) if templates else None
        faces = sum(isinstance(template, FaceTemplate) for template in templates)
        record = Registration(
            record_id=self._record_id,
            entry_id=reference.entry_id if reference is not None else None,
            consent=self._answer.consent,
            notice_version=self._answer.version,
            notice_language=self._answer.language,
            face_templates=faces,
            finger_templates=len(templates) - faces,
        )
        moment = self._clock.now()
        with taken.stages.timed("commit"):
            seq = await self._in_store(lambda store: store.commit_registration(moment, record, reference))
        self._committed()
        if reference is not None:
            await self._take_up(reference.entry_id)
        taken_of = {(t.modality, getattr(t, "position", FingerPosition.UNKNOWN)) for t in templates}
        missing = tuple(dict.fromkeys(p for p in self._asked if (p.modality, p.position) not in taken_of))
        self.result = RegistrationResult(seq, record, missing, possible_same)

    async def _protected(self, templates: tuple[Template, ...]) -> Reference:
        entry_id = random_id()
        protected = await self._in_inference(lambda: self._matcher.protect(entry_id, templates))
        return Reference(entry_id, self._subject, protected, self._purpose, self._site)

    async def _take_up(self, entry_id: bytes) -> None:
        # Read back what was stored: the session wipes its own templates when it ends.
        stored = await self._stored(entry_id)
        if stored is not None:
            await self._in_inference(lambda: self._matcher.take_up(stored))

    async def _stored(self, entry_id: bytes) -> Reference | None:
        return await self._in_store(lambda store: store.gallery.reference(self._purpose, entry_id))

    async def _resembling(self, templates: tuple[Template, ...]) -> tuple[str, ...]:
        if not templates or not self._matcher.size:
            return ()
        search = Comparison(self._matcher, None)
        try:
            verdict = await self._in_inference(lambda: search.weigh(templates))
        finally:
            search.wipe()
        found = [await self._stored(candidate.entry_id) for candidate in verdict.candidates]
        return tuple(reference.subject for reference in found if reference is not None)
