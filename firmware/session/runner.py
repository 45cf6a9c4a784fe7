"""Performs the effects of the capture session and feeds it what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from firmware.session.acquire import Acquirer, Sampled
from firmware.session.active_check import NotPassed
from firmware.session.machine import (
    Capture,
    CheckNotPassed,
    Compare,
    Compared,
    Concluded,
    Confirmed,
    Effect,
    Event,
    Failed,
    HelpPressed,
    NotConfirmed,
    PartUnavailable,
    Plan,
    Presentation,
    Progress,
    Ready,
    Record,
    SampleMissed,
    SampleTaken,
    Show,
    Started,
    State,
    Suggest,
    Weight,
    step,
)
from firmware.session.stages import Stages
from inference.types import Modality, Suspect, Template
from sensors.errors import SensorError
from sensors.frames import Retry, RetryReason


@dataclass(slots=True)
class Taken:
    """What a session has in hand: the templates so far and the time that each stage took.

    attack_score: the highest of its face samples, held back or not; None where none was scored.
    held_back: how many of them were.
    """

    stages: Stages
    templates: list[Template] = field(default_factory=list)
    attack_score: float | None = None
    held_back: int = 0

    def modalities(self) -> tuple[Modality, ...]:
        """Return the modalities of the templates, each once, in the order taken."""
        return tuple(dict.fromkeys(template.modality for template in self.templates))

    def note_attack_score(self, score: float | None) -> None:
        """Keep the highest attack score."""
        if score is not None:
            self.attack_score = max(score, self.attack_score or 0.0)

    def wipe(self) -> None:
        """Overwrite all templates with zeros and forget them."""
        for template in self.templates:
            template.wipe()
        self.templates.clear()


class SessionHost(Protocol):
    """What a session needs from its surroundings, besides the devices."""

    def show(self, effect: Show) -> None:
        """Show a signal to the people in front of the appliance."""

    async def accept(self, template: Template, taken: Taken) -> RetryReason | None:
        """Look at a new template before it counts; return a reason to take it again."""

    async def compare(self, taken: Taken) -> Weight:
        """Compare what was taken and weigh it."""

    async def suggest(self, taken: Taken) -> bool:
        """Show the candidates to staff; True when a person confirmed one."""

    async def record(self, concluded: Concluded, taken: Taken) -> None:
        """Commit the conclusion; returns only after it is on the disk."""


class SessionRunner:
    """Runs one session from its plan to its conclusion."""

    def __init__(self, acquirer: Acquirer, host: SessionHost, monotonic_ns: Callable[[], int]) -> None:
        self._acquirer = acquirer
        self._host = host
        self._taken = Taken(Stages(monotonic_ns))
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._finger_before = False

    def press_help(self) -> None:
        """Somebody pressed HELP; call it in the event loop."""
        self._events.put_nowait(HelpPressed())

    async def run(self, plan: Plan) -> Concluded:
        """Return how the session ended. Templates are wiped whatever happens.

        Raises StoreError when the conclusion could not be committed (then nothing was shown as done), and
        whatever broke a stage, after the person was led to staff.
        """
        fitted = tuple(p for p in plan.presentations if self._acquirer.fitted(p.modality))
        state: State = Ready(Progress(Plan(plan.goal, fitted, plan.tries)))
        self._events.put_nowait(Started())
        try:
            while not isinstance(state, Concluded):
                state, effects = step(state, await self._events.get())
                await self._perform(effects, state)
        finally:
            if self._task is not None:
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)
            self._taken.wipe()
            await self._acquirer.forget()
        if self._failure is not None:
            raise self._failure
        return state

    async def _perform(self, effects: Sequence[Effect], state: State) -> None:
        for effect in effects:
            match effect:
                case Show():
                    self._host.show(effect)
                case Capture(presentation):
                    self._begin(self._capture(presentation))
                case Compare():
                    self._begin(self._compare())
                case Suggest():
                    self._begin(self._suggest())
                case Record():
                    if not isinstance(state, Concluded):
                        raise AssertionError("the machine records conclusions alone")
                    await self._host.record(state, self._taken)
                case _:
                    assert_never(effect)

    def _begin(self, work: Awaitable[Event]) -> None:
        async def run() -> None:
            # A programming error must end the session with a person to turn to, not in silence:
            # the loop concludes it and then raises what happened.
            try:
                self._events.put_nowait(await work)
            except Exception as error:  # noqa: BLE001
                self._failure = error
                self._events.put_nowait(Failed())

        self._task = asyncio.ensure_future(run())

    async def _capture(self, presentation: Presentation) -> Event:
        is_finger = presentation.modality is Modality.FINGER
        lift_first, self._finger_before = is_finger and self._finger_before, is_finger
        try:
            result = await self._acquirer.acquire(
                presentation, self._taken.stages, self._host.show, lift_first=lift_first
            )
        except SensorError:
            return PartUnavailable(presentation.modality)
        match result:
            case Retry(reason):
                return SampleMissed(reason)
            case NotPassed(outcome):
                return CheckNotPassed(outcome.value)
            case Suspect(attack_score):
                self._taken.note_attack_score(attack_score)
                self._taken.held_back += 1
                # Never worded as an accusation: the person is asked to show the face once more.
                return SampleMissed(RetryReason.FACE_CAMERA)
            case Sampled(template=template, attack_score=attack_score):
                self._taken.note_attack_score(attack_score)
                refused = await self._host.accept(template, self._taken)
                if refused is not None:
                    template.wipe()
                    return SampleMissed(refused)
                self._taken.templates.append(template)
                return SampleTaken()

    async def _compare(self) -> Event:
        with self._taken.stages.timed("compare"):
            return Compared(await self._host.compare(self._taken))

    async def _suggest(self) -> Event:
        return Confirmed() if await self._host.suggest(self._taken) else NotConfirmed()
