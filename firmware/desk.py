"""What staff can do at the appliance: verify, identify, register, erase. One session at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from firmware.clock import Clock
from firmware.config import Config
from firmware.presenter import Presenter
from firmware.records import Moment
from firmware.session.acquire import Acquirer, InThread
from firmware.session.attempts import MOST_IN_A_ROW, Asked, step
from firmware.session.check_in import CheckInHost, CheckInResult, Claim, Confirm, Suggestion
from firmware.session.machine import Goal, Plan, Presentation, Show
from firmware.session.matching import Matcher
from firmware.session.registration import NoticeAnswer, RegistrationHost, RegistrationResult
from firmware.session.runner import SessionHost, SessionRunner
from firmware.store.errors import StoreError
from firmware.store.reference import Reference
from firmware.store.store import Store
from firmware.store.thread import RunInStore
from firmware.traces import Decided, NoTraces, Traces
from inference.types import Modality
from sensors.board.port import Button
from sensors.board.signals import Signal
from trust.consent import Consent

ResultT = TypeVar("ResultT")


class DeskError(Exception):
    """Something that staff asked for cannot be done; the message says what to do."""


class DeskBusy(DeskError, RuntimeError):
    """Another session is under way."""


class RegistrationStopped(DeskError, RuntimeError):
    """Too little space, too long without a sync, or too many registrations that wait."""


class NotRegistered(DeskError, LookupError):
    """Nobody is registered under this subject, or only without biometrics."""


class AlreadyRegistered(DeskError, ValueError):
    """Somebody is registered under this subject."""


class ClaimWaits(DeskError):
    """The claim failed too often in a row; wait_s: seconds until it may be tried again."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(
            f"this card was tried {MOST_IN_A_ROW} times or more without a match: the next try is possible in "
            f"{math.ceil(wait_s)} s; a colleague can serve the person now, without finger and face"
        )
        self.wait_s = wait_s


class Desk:
    """Runs sessions on the parts of one appliance."""

    def __init__(
        self,
        *,
        config: Config,
        acquirer: Acquirer,
        matcher: Matcher,
        in_inference: InThread,
        in_store: RunInStore,
        presenter: Presenter,
        clock: Clock,
        committed: Callable[[], None],
        gallery_changed: Callable[[], None] = lambda: None,
        traces: Traces | None = None,
    ) -> None:
        """gallery_changed: called after a registration or an erasure, for who shares the gallery."""
        self._config = config
        self._acquirer = acquirer
        self._matcher = matcher
        self._in_inference = in_inference
        self._in_store = in_store
        self._presenter = presenter
        self._clock = clock
        self._committed = committed
        self._gallery_changed = gallery_changed
        self._traces = traces or NoTraces()
        self._running: SessionRunner | None = None

    @property
    def busy(self) -> bool:
        """Whether a session is under way."""
        return self._running is not None

    def press(self, button: Button) -> None:
        """A button was pressed during a session; HELP ends it with a person, in every state."""
        if button is Button.HELP and self._running is not None:
            self._running.press_help()

    async def verify(
        self, *subjects: str, order: Sequence[Modality] | None = None, operator: str = ""
    ) -> CheckInResult:
        """1:1: check the person against the entries of these subjects: one, or the collectors of a household.

        Failed tries are counted for all of them together, under the first that is registered.
        Raises NotRegistered when there is nothing to compare with, ClaimWaits, DeskBusy, and StoreError.
        """
        purpose = self._config.device.purpose

        def find(store: Store) -> list[Reference]:
            return [entry for subject in subjects for entry in store.gallery.find_subject(purpose, subject)]

        claimed = await self._in_store(find)
        if not claimed:
            raise NotRegistered(
                "nobody is registered with biometrics under this subject: serve the person without them"
            )
        subject = claimed[0].subject
        attempts = await self._in_store(lambda store: store.gallery.attempts(purpose, subject))
        _, standing = step(attempts, Asked(self._clock.now()))
        if standing.wait_s:
            self._presenter.show(Show(Signal.GO_TO_A_PERSON, tries_left=0, wait_s=standing.wait_s))
            raise ClaimWaits(standing.wait_s)
        host = await self._check_in_host(Claim(subject, claimed, attempts), _nobody, operator)
        return await self._check_in(host, self._plan(Goal.VERIFY, order, impressions=1))

    async def identify(
        self,
        confirm: Confirm,
        *,
        among: Sequence[str] | None = None,
        order: Sequence[Modality] | None = None,
        operator: str = "",
    ) -> CheckInResult:
        """1:few: suggest at most three entries; a person confirms.

        among: the subjects whose entries are searched, and no others; None: the whole gallery. The threshold
        is that of a search among so many entries. operator: who confirms, for the audit log; empty where
        nobody signed in. Raises NotRegistered when none of `among` has templates, DeskBusy, and StoreError.
        """
        purpose, entries = self._config.device.purpose, None
        if among is not None:
            entries = await self._in_store(lambda store: store.gallery.entry_ids(purpose, among))
            if not entries:
                raise NotRegistered("nobody on this list is registered with biometrics")
        host = await self._check_in_host(None, confirm, operator, entries)
        return await self._check_in(host, self._plan(Goal.IDENTIFY, order, impressions=1))

    async def register(
        self, subject: str, answer: NoticeAnswer, *, noted: bytes | None = None, capture: bool = True
    ) -> RegistrationResult:
        """Register a person; one who declined is registered without templates and served the same.

        noted: the id under which the answer was stored before; None: it is stored now, before the capture.
        capture: False for a child under five, of whom no templates are taken whatever the answer is.
        Raises RegistrationStopped, AlreadyRegistered, DeskBusy and StoreError.
        """
        purpose = self._config.device.purpose
        if await self._in_store(lambda store: store.gallery.find_subject(purpose, subject)):
            raise AlreadyRegistered(
                "somebody is registered under this subject: check the number; to register the same person "
                "anew, erase the old entry first"
            )
        moment = self._clock.now()
        stopped = await self._in_store(lambda store: store.space.registration_stopped(moment))
        if stopped is not None:
            self._presenter.show(Show(Signal.GO_TO_A_PERSON))
            raise RegistrationStopped(f"{stopped}. Serve the person all the same, and register later")
        plan = self._plan(Goal.REGISTER, None, impressions=self._config.session.impressions)
        if answer.consent is Consent.DECLINED or not capture:
            plan = Plan(Goal.REGISTER, ())
        host = RegistrationHost(
            subject=subject,
            asked=plan.presentations,
            site=self._config.device.site,
            purpose=purpose,
            answer=answer,
            matcher=self._matcher,
            in_inference=self._in_inference,
            in_store=self._in_store,
            presenter=self._presenter,
            clock=self._clock,
            committed=self._committed,
            noted=noted,
        )
        if noted is None:
            await host.note_answer()
        await self._run(host, plan)
        self._gallery_changed()
        return _finished(host.result)

    async def erase(self, subject: str) -> int:
        """Erase every entry of `subject`, its links and pairs; returns how many there were of all.

        Raises DeskBusy and StoreError.
        """
        if self.busy:
            raise DeskBusy("a person is being served here: erase when that session has ended")
        purpose, moment = self._config.device.purpose, self._clock.now()
        entries = await self._in_store(lambda store: store.gallery.find_subject(purpose, subject))
        for reference in entries:
            # First from memory: whatever happens to the store, nobody is matched with this entry any more.
            await self._in_inference(partial(self._matcher.remove, reference.entry_id))
        forgotten = await self._in_store(lambda store: store.work.forget(moment, subject))
        for reference in entries:
            await self._remove(moment, reference.entry_id)
        self._gallery_changed()
        return len(entries) + forgotten

    async def erase_entry(self, entry_id: bytes) -> bool:
        """Erase one entry by its id, one that cannot be opened here too; returns whether there is one.

        Raises DeskBusy and StoreError.
        """
        if self.busy:
            raise DeskBusy("a person is being served here: erase when that session has ended")
        moment = self._clock.now()
        await self._in_inference(partial(self._matcher.remove, entry_id))
        erased = await self._in_store(lambda store: store.shared.withdraw(moment, entry_id))
        self._gallery_changed()
        return erased

    async def _remove(self, moment: Moment, entry_id: bytes) -> None:
        await self._in_store(lambda store: store.gallery.remove(moment, entry_id))

    def idle(self) -> None:
        """Show that the appliance waits for the next person."""
        self._presenter.show(Show(Signal.IDLE))

    async def _check_in(self, host: CheckInHost, plan: Plan) -> CheckInResult:
        began = self._clock.now()
        await self._run(host, plan)
        result = _finished(host.result)
        self._traces.decided(Decided(result.seq, result.record, began, self._clock.now(), result.stages))
        return result

    async def _run(self, host: SessionHost, plan: Plan) -> None:
        runner = SessionRunner(self._acquirer, host, self._clock.monotonic_ns)
        with self._session(runner):
            try:
                await runner.run(plan)
            except StoreError:
                # Nothing was recorded, so nothing may look done; the device is at fault, not the person.
                self._presenter.show(Show(Signal.DEVICE_FAULT))
                raise

    @contextmanager
    def _session(self, runner: SessionRunner) -> Iterator[None]:
        if self._running is not None:
            raise DeskBusy("another person is being served here: wait until that session has ended")
        self._running = runner
        try:
            yield
        finally:
            self._running = None

    async def _check_in_host(
        self,
        claim: Claim | None,
        confirm: Confirm,
        operator: str,
        among: Sequence[bytes] | None = None,
    ) -> CheckInHost:
        input_key = await self._in_store(Store.input_key)
        return CheckInHost(
            claim=claim,
            purpose=self._config.device.purpose,
            matcher=self._matcher,
            in_inference=self._in_inference,
            in_store=self._in_store,
            presenter=self._presenter,
            clock=self._clock,
            confirm=confirm,
            committed=self._committed,
            operator=operator,
            input_key=input_key,
            among=among,
        )

    def _plan(self, goal: Goal, order: Sequence[Modality] | None, *, impressions: int) -> Plan:
        session = self._config.session
        face = (Presentation(Modality.FACE),) * impressions
        fingers = tuple(
            Presentation(Modality.FINGER, position)
            for position in session.finger_positions()
            for _ in range(impressions)
        )
        wanted = order or tuple(Modality(name) for name in session.order)
        parts = {Modality.FACE: face, Modality.FINGER: fingers}
        return Plan(goal, tuple(p for modality in wanted for p in parts[modality]), session.tries)


async def _nobody(_suggestions: Sequence[Suggestion]) -> None:
    return None


def _finished(result: ResultT | None) -> ResultT:
    if result is None:
        raise AssertionError("a session that concluded has recorded its result")
    return result
