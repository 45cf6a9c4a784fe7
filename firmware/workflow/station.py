"""The station: one appliance, one lane, one session at a time, and any number of viewers.

Buttons of the board, touch and tablets all act here, by one rule (`firmware.workflow.screen`). A viewer says
which screen an act was meant for: what was meant for a screen that is over changes nothing, and what comes so
soon after a new screen that nobody has read it was not meant for it. Browsers come and go; the session is
here. Used from the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, assert_never

from firmware.session.machine import Show
from firmware.workflow import choices, frame
from firmware.workflow.distribution_screens import island_lines
from firmware.workflow.effects import Begin
from firmware.workflow.events import Event, TimeOver
from firmware.workflow.frame import Answered, WaitingForPerson
from firmware.workflow.guidance import CLOCK_UNCHECKED
from firmware.workflow.machines import MACHINES
from firmware.workflow.parts import Parts
from firmware.workflow.performing import Performer
from firmware.workflow.screen import Acted, Entry, Screen
from firmware.workflow.signalling import Signaller, Signals
from firmware.workflow.viewing import Accepted, HeldBack, HeldBy, Reply, Stale
from sensors.board.port import Button
from trust.service import Workflow

PRESS_SPILLS_S = 0.6
TAP_SPILLS_S = 0.4
"""A press of OK, or a touch, so soon after a new screen was meant for the one before.

Two clicks are a double click up to 0.5 s apart on desktops, and two taps a double tap up to 0.3 s on phones;
the second of an impatient finger comes in that time, and who has read the new screen needs longer.
"""
WRITES_AGAIN_S = 5.0
"""After which it is tried once more to write down what went on, on paper."""
_ENTERED = tuple(entry.value for entry in Entry)
_CARDS = (Entry.CARD.value, Entry.NUMBER.value)


class Station:
    """workflow: what the people here come for. languages: BCP 47 tags, the site's own first."""

    def __init__(
        self,
        parts: Parts,
        workflow: Workflow,
        signals: Signals,
        *,
        languages: Sequence[str] = ("en",),
    ) -> None:
        self._clock = parts.clock
        self._ownership = parts.ownership
        self._home = MACHINES[workflow]
        self._machine = self._home
        self._state: Any = self._machine.first
        self._languages = tuple(languages)
        self._performer = Performer(parts, self._feed, self._begin, lambda: self.language)
        self._signaller = Signaller(signals)
        self._forget_signals = signals.add_listener(self._on_signal)
        self._listeners: list[Callable[[], None]] = []
        self._deadline_ns: int | None = None
        self._offered_since, self._offered_at_ns = 1, self._clock.monotonic_ns()
        self._changed = asyncio.Event()
        self._kept_free = 0
        self.screen = self._draw()
        self.revision = 1
        self.highlight = frame.first_highlighted(self.screen)
        """Which of `frame.pickable` OK takes; None where the person has not chosen yet."""
        self.language = self._languages[0]
        self.holder = ""
        """Who serves the person who is here; "" where nobody signed in, or nobody is served."""

    # --- viewers ---------------------------------------------------------------------------------------

    @property
    def workflow(self) -> Workflow:
        """The workflow that is under way."""
        return self._machine.workflow

    @property
    def idle(self) -> bool:
        """Whether nobody is served."""
        return isinstance(self._state, WaitingForPerson)

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` with each new screen, highlight and language; returns what takes it off again."""
        self._listeners.append(changed)
        return lambda: self._listeners.remove(changed)

    async def act(self, revision: int, acted: Acted) -> Reply:
        """Do what was chosen or entered on the screen of that revision; HELP is always meant for this one.

        What was entered, such as a card that the camera saw, is no touch that spilled over.
        """
        entered = acted.value and acted.act in _ENTERED
        return self._act(revision, acted, 0.0 if entered else TAP_SPILLS_S)

    def _act(self, revision: int, acted: Acted, spills_s: float) -> Reply:
        if acted.act != choices.HELP:
            if self._kept_free and self.idle:
                return HeldBack()
            if not self._offered_since <= revision <= self.revision:
                return Stale()
            if self.holder and acted.operator and acted.operator != self.holder:
                return HeldBy(self.holder)
        if not frame.offered(self.screen, acted.act):
            return Stale()
        offered_for_s = (self._clock.monotonic_ns() - self._offered_at_ns) / 1e9
        if acted.act != choices.HELP and offered_for_s < spills_s:
            return HeldBack()
        self.holder = self.holder or acted.operator  # before the step: a session begins with its operator
        self._feed(acted)
        if self.idle:
            self.holder = ""
        return Accepted()

    async def press(self, button: Button, operator: str = "") -> Reply:
        """Do what a button means on the screen of this moment; operator: who is signed in where it is."""
        match button:
            case Button.OK:
                offered = frame.pickable(self.screen)
                if not offered:
                    return Stale()
                if self.highlight is None:
                    return HeldBack()
                chosen = Acted(offered[self.highlight], operator=operator)
                return self._act(self.revision, chosen, PRESS_SPILLS_S)
            case Button.AGAIN:
                if offered := frame.pickable(self.screen):
                    self.highlight = 0 if self.highlight is None else (self.highlight + 1) % len(offered)
                    self._tell()
            case Button.HELP:
                return await self.act(self.revision, Acted(choices.HELP, operator=operator))
            case Button.LANGUAGE:
                following = self._languages.index(self.language) + 1
                self.language = self._languages[following % len(self._languages)]
                self._tell()
            case _:
                assert_never(button)
        return Accepted()

    @property
    def holds(self) -> int:
        """How many keep it free at this moment."""
        return self._kept_free

    @contextmanager
    def kept_free(self) -> Iterator[None]:
        """Let nobody begin meanwhile, as while the day is opened or closed; HELP works."""
        self._kept_free += 1
        try:
            yield
        finally:
            self._kept_free -= 1

    def refresh(self) -> None:
        """Draw the screen anew where nobody is served: a network came or went."""
        if self.idle and (screen := self._draw()) != self.screen:
            self._show(screen, type(self._state))

    async def take_over(self, operator: str) -> None:
        """Let this member of staff go on with the person who is here."""
        self.holder = "" if self.idle else operator
        self._performer.taken_over(self.holder)
        self._tell()

    # --- the course of time ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up what a power cut left open, and show the first screen."""
        resumed = await self._performer.resume()
        self._signaller.show(self.screen)
        self.refresh()
        if resumed is not None:
            self._feed(resumed)

    def tick(self) -> None:
        """End a screen whose time is over, and write down what could not be written before."""
        if self._performer.unwritten:
            self._performer.perform((), self.workflow, "")
        if self._deadline_ns is not None and self._clock.monotonic_ns() >= self._deadline_ns:
            self._deadline_ns = None
            self._feed(TimeOver())

    @property
    def left_s(self) -> float | None:
        """Seconds until the screen ends by itself, None where it does not."""
        if self._deadline_ns is None:
            return None
        return max(0.0, (self._deadline_ns - self._clock.monotonic_ns()) / 1e9)

    @property
    def _looks_again_s(self) -> float | None:
        left_s = self.left_s
        if not self._performer.unwritten:
            return left_s
        return WRITES_AGAIN_S if left_s is None else min(left_s, WRITES_AGAIN_S)

    async def run(self) -> None:
        """End screens when their time is over, until cancelled."""
        while True:
            self._changed.clear()
            try:
                # Not wait_for: in Python 3.11 it loses a cancellation that comes together with the change.
                async with asyncio.timeout(self._looks_again_s):
                    await self._changed.wait()
            except TimeoutError:
                self.tick()

    async def settled(self) -> None:
        """Wait until nothing is being looked up or written down; a capture may still be under way."""
        await self._performer.settled()

    @property
    def capturing(self) -> bool:
        """Whether a capture is under way."""
        return self._performer.captures.running

    async def captured(self) -> None:
        """Wait until no capture is under way and what came of it is settled."""
        await self._performer.captures.ended()
        await self._performer.settled()

    async def stop(self) -> None:
        """Lead whoever is served to a person, write that down, and listen no more."""
        while not isinstance(self._state, WaitingForPerson | Answered):
            before = self._state
            self._feed(Acted(choices.HELP))
            await self._performer.captures.ended()
            await self._performer.settled()
            if self._state == before:
                break  # it could not be written down: the store keeps the session open
        self._forget_signals()

    # --- the machine -----------------------------------------------------------------------------------

    def _feed(self, event: Event) -> None:
        before, machine = self._state, self._machine
        self._state, effects = machine.step(before, event)
        operator = event.operator if isinstance(event, Acted) else self.holder
        self._performer.perform(effects, machine.workflow, operator or self.holder)
        same_person = any(isinstance(effect, Begin) for effect in effects)
        if self.idle and not isinstance(before, WaitingForPerson) and not same_person:
            self._rest()
        if self._state != before:
            if isinstance(event, Acted) and event.act in _CARDS:
                self._signaller.card_read()
            self._show(self._draw(), type(before))

    def _rest(self) -> None:
        """The person is gone: the next one finds the site's language and nobody's session."""
        self._machine, self.holder, self.language = self._home, "", self._languages[0]
        self._state = self._machine.first

    def _draw(self) -> Screen:
        screen = self._machine.screen(self._state)
        if not self.idle:
            return screen
        lines = () if self._clock.now().quality.is_set else (CLOCK_UNCHECKED,)
        if self._machine.workflow is Workflow.DISTRIBUTION:
            return replace(screen, lines=lines + island_lines(self._ownership.connected()))
        return replace(screen, lines=screen.lines + lines)

    def _begin(self, workflow: Workflow, operator: str) -> None:
        self._machine = MACHINES[workflow]
        self._state = self._machine.first
        self._feed(Acted(choices.REGISTER.act, operator=operator))
        self.holder = operator

    def _on_signal(self, show: Show) -> None:
        self._performer.captures.guide(show)

    def _show(self, screen: Screen, before: type) -> None:
        if not isinstance(self._state, before) or screen.ends_in_s != self.screen.ends_in_s:
            self._arm(screen.ends_in_s)
        # Guidance redraws a screen; what was meant for what it still offers is no stale act.
        same_offer = screen.name == self.screen.name and frame.acts(screen) == frame.acts(self.screen)
        self.screen, self.revision = screen, self.revision + 1
        if not same_offer:
            self._offered_since, self._offered_at_ns = self.revision, self._clock.monotonic_ns()
            self.highlight = frame.first_highlighted(screen)
        self._signaller.show(screen, captures=self._performer.captures.running)
        self._tell()

    def _arm(self, ends_in_s: float | None) -> None:
        now_ns = self._clock.monotonic_ns()
        self._deadline_ns = None if ends_in_s is None else now_ns + int(ends_in_s * 1e9)

    def _tell(self) -> None:
        self._changed.set()
        for listener in tuple(self._listeners):
            listener()
