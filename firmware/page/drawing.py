"""From a screen to HTML: one template for every screen, in the language of whoever looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from firmware.notices import Notice, Notices
from firmware.page import words
from firmware.page.pictograms import flips, of_ration, symbol
from firmware.page.ports import Bar
from firmware.page.recordings import Recordings
from firmware.page.translate import direction, translate, write_amount, write_number
from firmware.page.viewers import Viewer
from firmware.workflow.screen import Choice, Entry, Ration, Screen, Text, Tone
from sensors.board.port import Button
from sensors.board.signals import PRESENTATIONS, Signal
from sensors.frames import RetryReason

FOLDER = Path(__file__).parent
MOST_OF_CARD = 512
"""A household's card of a long site and number has 225 characters, one with short ones 136."""
MOST_OF_NUMBER = 63
RECORDINGS = "/recordings"
_SOUNDS = {
    Tone.GOOD: Signal.DONE,
    Tone.AGAIN: Signal.TRY_AGAIN,
    Tone.PERSON: Signal.GO_TO_A_PERSON,
    Tone.FAULT: Signal.DEVICE_FAULT,
}
_KEYS = (
    (Button.AGAIN, "next", words.AGAIN),
    (Button.OK, "tick", words.OK),
    (Button.HELP, "helper", words.HELP),
    (Button.LANGUAGE, "language", words.LANGUAGE),
)


@dataclass(frozen=True, slots=True)
class Now:
    """What is drawn: the screen, its number, and the choice that is highlighted, None for none."""

    screen: Screen
    revision: int
    highlighted: int | None


class Key(NamedTuple):
    """One of the four keys below each screen; idle: it does nothing now."""

    name: str
    pictogram: str
    label: Text
    idle: bool


def most_typed(entry: Entry) -> int:
    """Return how many characters an entry takes: a scanner that types enters the whole of a card's code."""
    return MOST_OF_CARD if entry is Entry.CARD else MOST_OF_NUMBER


def keys_of(screen: Screen, highlighted: int | None) -> tuple[Key, ...]:
    """Return the four keys; HELP and LANGUAGE are never idle."""
    idle = set()
    if highlighted is None:
        idle.add(Button.OK)
    if screen.busy or not (screen.choices or screen.candidates):
        idle |= {Button.OK, Button.AGAIN}
    return tuple(Key(button.value, picture, label, button in idle) for button, picture, label in _KEYS)


def keys_beside(*, idle: bool = False) -> tuple[Key, ...]:
    """Return HELP and LANGUAGE: of a page on which OK and AGAIN of the board move about the controls."""
    return tuple(Key(button.value, picture, label, idle) for button, picture, label in _KEYS[2:])


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence about what a viewer just did. may_take_over: that the session may become the viewer's."""

    words: Text
    may_take_over: bool = False


class Drawing:
    """Draws pages and fragments.

    sounds: whether the browser plays the tones, where no board does. speaks: whether it plays the recordings
    unasked; whoever presses the button beside the title hears them anyway.
    """

    def __init__(self, *, sounds: bool, speaks: bool, recordings: Recordings, notices: Notices) -> None:
        self._sounds = sounds
        self._speaks = speaks
        self._recordings = recordings
        self._notices = notices
        self._pages = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._pages.globals.update(
            words=words, symbol=symbol, flips=flips, of_ration=of_ration, most_typed=most_typed
        )

    def draw(self, template: str, tag: str, **values: object) -> str:
        """Return one page or fragment in that language."""

        def translated(text: Text) -> str:
            return translate(text, tag)

        def number(value: int) -> str:
            return write_number(value, tag)

        def amount(ration: Ration) -> str:
            return write_amount(ration.amount, ration.unit, tag)

        def written_as(value: Text | int | str) -> str:
            match value:
                case Text():
                    return translate(value, tag)
                case int():
                    return write_number(value, tag)
                case str():
                    return value

        drawn = self._pages.get_template(template)
        written = {"t": translated, "number": number, "amount": amount, "value": written_as}
        return drawn.render(**written, tag=tag, direction=direction(tag), **values)

    def draw_screen(
        self,
        template: str,
        tag: str,
        now: Now,
        viewer: Viewer,
        *,
        bar: Bar,
        advice: RetryReason | None,
        message: Message | None,
        seen: str,
        pressed: int = 0,
        names: Sequence[str] = (),
    ) -> str:
        """Return the screen as this viewer sees it.

        seen: what it is called in the stream of events. pressed: number of the last press of the board's.
        names: of staff, to pick from where a second person signs; typed where there are none.
        """
        screen = now.screen
        shown = self._notices.find(screen.notice, tag) if screen.notice else None
        left_s = screen.wait_s if screen.wait_s is not None else screen.ends_in_s
        return self.draw(
            template,
            tag,
            screen=screen,
            revision=now.revision,
            highlighted=now.highlighted,
            viewer=viewer,
            bar=bar,
            advice=advice,
            message=message,
            seen=seen,
            names=names,
            pressed=pressed,
            seconds_left=None if left_s is None else math.ceil(left_s),
            keys=keys_of(screen, now.highlighted),
            tones=self._tones(screen.tone),
            prompts=self._prompts(screen, shown, tag),
            speaks=self._speaks,
            prompt_of=lambda choice: self._prompt_of(choice, tag),
            notice=shown,
        )

    def draw_sign_in(
        self,
        tag: str,
        viewer: Viewer,
        bar: Bar,
        message: Message | None,
        *,
        names: Sequence[str],
        name: str,
        may_help: bool,
        pressed: int = 0,
        fingerprint: str = "",
    ) -> str:
        """Return the page that asks who is there.

        names: to pick from; none where the name is typed. may_help: HELP and LANGUAGE work before that.
        fingerprint: of the certificate that tablets see.
        """
        return self.draw(
            "sign_in.html",
            tag,
            viewer=viewer,
            bar=bar,
            message=message,
            names=names,
            name=name,
            keys=keys_beside(idle=not may_help),
            pressed=pressed,
            fingerprint=fingerprint,
        )

    def _prompts(self, screen: Screen, shown: Notice | None, tag: str) -> tuple[str, ...]:
        spoken = [translate(text, tag) for text in (screen.title, *screen.lines)]
        if shown is not None:
            # Nobody who does not read could answer without hearing the answers.
            spoken += [point.words for point in shown.points]
            spoken += [translate(choice.label, tag) for choice in screen.choices]
        return tuple(f"{RECORDINGS}/{name}" for name in self._recordings.find(spoken, tag))

    def _prompt_of(self, choice: Choice, tag: str) -> str:
        found = self._recordings.find([translate(choice.label, tag)], tag)
        return f"{RECORDINGS}/{found[0]}" if found else ""

    def _tones(self, tone: Tone) -> str:
        if not self._sounds or tone not in _SOUNDS:
            return ""
        tones = PRESENTATIONS[_SOUNDS[tone]].tones
        return ",".join(f"{one.frequency_hz}:{one.duration_ms}:{one.pause_ms}" for one in tones)
