"""The screens of the work as lines on a console, where no page is served."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog

from firmware.notices import Notices
from firmware.workflow.frame import pickable
from firmware.workflow.plain import plain
from firmware.workflow.screen import Entry, Screen
from firmware.workflow.station import Station
from inference.operating_point import STRENGTH_MEANING

log = structlog.get_logger()

_HOW_TO_ENTER = {
    Entry.CARD: "Hold the card before the camera, or type its number.",
    Entry.NUMBER: "Type the number.",
    Entry.PIN: "A PIN is entered on the operator page: here everybody would read it.",
    Entry.COUNTERSIGN: "Name and PIN are entered on the operator page: here everybody would read them.",
}
_NOT_CHOSEN = "Nothing is chosen yet: AGAIN goes to the first answer."


class ConsoleScreens:
    """Says each new screen line by line, in English, and then which choice is highlighted.

    Without a [page] there is one language. say: takes one line.
    """

    def __init__(self, station: Station, notices: Notices, say: Callable[[str], None]) -> None:
        self._station = station
        self._notices = notices
        self._say = say
        self._said: list[str] = []
        self._chosen: list[str] = []
        self._name = ""
        self.stop = station.subscribe(self._follow)
        """Say nothing any more."""
        self._follow()

    def _follow(self) -> None:
        screen = self._station.screen
        told, offered = list(self._told(screen)), list(choices_of(screen, self._station.highlight))
        if told != self._said:
            self._say("")
        if told != self._said or offered != self._chosen:
            for line in offered if told == self._said else [*told, *offered]:
                self._say(line)
        if screen.name != self._name:
            log.info("screen", state=screen.name)
        self._said, self._chosen, self._name = told, offered, screen.name

    def _told(self, screen: Screen) -> Iterator[str]:
        yield f"== {plain(screen.title)}"
        if screen.notice:
            for point in self._notices.find(screen.notice, self._station.language).points:
                yield f"   {point.words}"
        for line in screen.lines:
            yield f"   {plain(line)}"
        if screen.household_size is not None:
            yield f"   people in the household: {screen.household_size}"
        for ration in screen.rations:
            yield f"   {ration.item}: {ration.amount} {ration.unit}"
        if screen.tries_left is not None:
            yield f"   tries left: {screen.tries_left}"
        if screen.wait_s is not None:
            yield f"   next try in {screen.wait_s:.0f} s"
        if screen.entry is not None:
            yield f"   {_HOW_TO_ENTER[screen.entry]}"


def choices_of(screen: Screen, highlight: int | None) -> Iterator[str]:
    """Yield the choices and then the candidates, the one that OK takes marked."""
    words = [plain(choice.label) for choice in screen.choices]
    words += [
        f"{shown.subject} ({shown.strength.value}: {STRENGTH_MEANING[shown.strength]})"
        for shown in screen.candidates
    ]
    for index, (_, said) in enumerate(zip(pickable(screen), words, strict=True)):
        yield f" {'>' if index == highlight else ' '} {said}"
    if words and highlight is None:
        yield f"   {_NOT_CHOSEN}"
