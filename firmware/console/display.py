"""Keeps one picture on the console of the appliance's own screen, in a language that the console can draw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from firmware.console.picture import Picture, drawn
from firmware.console.terminal import ConsoleTerminal, Terminal
from firmware.first_boot.words import STEPS
from firmware.page.translate import LANGUAGES, SOURCE, direction, translate
from firmware.workflow.screen import Choice, Screen, Text, Tone, say

NAME = Text("Aidpost")
AGAIN_S = 3.0
"""How often it is drawn anew: over what another program wrote, and on a screen that is plugged in later."""
_BUTTONS = say("OK takes what is marked, AGAIN goes to the next one.")
_LAST = Screen(
    "console-waits",
    Tone.WORKING,
    "hourglass",
    say("The appliance starts or stops. Please wait."),
    (say("If it stays so for ten minutes, ask the fleet manager."),),
)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class View:
    """What is to be seen, before it is translated."""

    heading: Text
    screen: Screen
    told: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    marked: int = 0


class ConsoleDisplay:
    """Used from the event loop; what cannot be drawn is lost and comes again."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._picture: Picture | None = None
        self._tag = SOURCE

    def show(self, view: View, tag: str) -> None:
        """Draw it, and keep it there."""
        self._tag = tag
        self._picture = Picture(
            heading=translate(view.heading, tag),
            title=translate(view.screen.title, tag),
            told=view.told,
            lines=tuple(translate(line, tag) for line in view.screen.lines),
            choices=tuple(translate(choice.label, tag) for choice in view.choices),
            marked=view.marked,
            hint=translate(_BUTTONS, tag),
        )
        self.draw()

    def draw(self) -> None:
        """Draw once more what is there."""
        if self._picture is not None:
            columns, lines = self._terminal.size()
            self._terminal.write(drawn(self._picture, columns, lines, self._terminal.draws))

    def close(self) -> None:
        """Let nobody take what was drawn for how it is now."""
        self.show(View(NAME, _LAST), self._tag)
        self._terminal.close()

    def language(self, wanted: Iterable[str]) -> str:
        """Return the first of the languages that can be drawn here, English where none can."""
        return next((tag for tag in wanted if self.writes(tag)), SOURCE)

    def languages(self) -> tuple[str, ...]:
        """Return all that can be drawn here."""
        return tuple(tag for tag in LANGUAGES if self.writes(tag))

    def writes(self, tag: str) -> bool:
        """Whether it can be drawn: the console joins no letters, and its font has not all of them."""
        if direction(tag) == "rtl":
            return False
        letters = {letter for step in STEPS.values() for letter in translate(step, tag)}
        return all(self._terminal.draws(letter) for letter in letters if letter.isalpha())


def open_display(device: Path | None) -> ConsoleDisplay | None:
    """Return what draws on a console, None where there is none: lamp and page go on without it."""
    if device is None:
        return None
    try:
        return ConsoleDisplay(ConsoleTerminal(device))
    except OSError as error:
        log.warning("part lost", part="console", device=str(device), reason=error.strerror or str(error))
        return None
