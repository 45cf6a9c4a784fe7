"""The first boot on the console of the appliance's own screen: the page's sentences, the board's buttons."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from firmware.console.display import AGAIN_S, ConsoleDisplay, View
from firmware.console.status import in_groups
from firmware.first_boot.ports import Boot
from firmware.first_boot.terms import Situation, Step
from firmware.first_boot.words import STEPS, TITLE, for_whoever_helps, screen_of
from firmware.machine.remarks import left
from firmware.page.words import TABLETS
from firmware.workflow.screen import Choice, Text, say
from sensors.board.port import Button

_ENTER_ON_TABLET = say("Enter name and PIN on a tablet, or show the camera a claim that names a supervisor.")
_NAME_IN_CLAIM = say("Show the camera a claim that names a supervisor. The fleet manager makes it.")


@dataclass(frozen=True, slots=True)
class ForTablets:
    """What a tablet needs. addresses: none where there is no network. certificate: its SHA-256."""

    addresses: tuple[str, ...]
    number: str
    certificate: str


class FirstBootConsole:
    """Call `tell` with each new situation.

    looked_at: whether a browser shows the page; the buttons then move about there. tablets: None where the
    page is not served to them. remarks: of the image's services.
    """

    def __init__(
        self,
        boot: Boot,
        display: ConsoleDisplay,
        looked_at: Callable[[], bool],
        tablets: Callable[[], ForTablets | None] = lambda: None,
        remarks: Callable[[], tuple[str, ...]] = left,
    ) -> None:
        self._boot = boot
        self._display = display
        self._looked_at = looked_at
        self._tablets = tablets
        self._remarks = remarks
        self._chosen_language = ""
        self._marked = 0
        self._screen = ""

    def tell(self) -> None:
        """Draw the situation of now."""
        situation = self._boot.situation
        screen = screen_of(situation)
        if screen.name != self._screen:
            self._screen, self._marked = screen.name, 0
        told = (situation.key_words,) if situation.key_words else ()
        screen = replace(screen, lines=(*screen.lines, *self._without_browser(situation)))
        view = View(_heading(situation), screen, told, self._choices(), self._marked)
        self._display.show(view, self._tag())

    async def keep(self) -> None:
        """Tell it once more from time to time, until cancelled."""
        while True:
            await asyncio.sleep(AGAIN_S)
            self.tell()

    def _without_browser(self, situation: Situation) -> Iterator[Text]:
        """Yield what a page needs no words for: where names are entered, and how a tablet comes to it."""
        tablets = None if situation.ready else self._tablets()
        if situation.step is Step.SUPERVISOR and not situation.ready:
            yield _ENTER_ON_TABLET if tablets is not None else _NAME_IN_CLAIM
        if tablets is not None and tablets.addresses:
            yield say(
                "On a tablet: {address} - number {number}",
                address=tablets.addresses[0],
                number=tablets.number,
            )
            yield say("{label}: {digest}", label=TABLETS, digest=in_groups(tablets.certificate))
        yield from map(for_whoever_helps, self._remarks())

    def press(self, button: Button) -> None:
        """Take a button of the board."""
        choices = self._choices()
        if button is Button.LANGUAGE:
            self._chosen_language = self._next_language()
        elif self._looked_at() or not choices:
            return
        elif button is Button.AGAIN:
            self._marked = (self._marked + 1) % len(choices)
        elif button is Button.OK:
            self._act(choices[self._marked].act)
        self.tell()

    def _act(self, act: str) -> None:
        if act == "again":
            self._boot.again()
        elif act == "go on":
            self._boot.go_on()

    def _choices(self) -> tuple[Choice, ...]:
        """Return what needs no keyboard."""
        choices = screen_of(self._boot.situation).choices
        return tuple(choice for choice in choices if choice.act in ("again", "go on"))

    def _tag(self) -> str:
        return self._chosen_language or self._display.language(self._boot.situation.languages)

    def _next_language(self) -> str:
        languages, now = self._display.languages(), self._tag().partition("-")[0]
        place = languages.index(now) + 1 if now in languages else 0
        return languages[place % len(languages)]


def _heading(situation: Situation) -> Text:
    """Return which step it is; the appliance that is ready has none left."""
    if situation.ready:
        return TITLE
    steps = tuple(Step)
    return say(
        "{title} - {number} of {steps}: {step}",
        title=TITLE,
        number=steps.index(situation.step) + 1,
        steps=len(steps),
        step=STEPS[situation.step],
    )
