"""A station that shows what a test hands it, and obeys the real rules of revisions and of who serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from firmware.page.ports import Accepted, Answered, HeldBack, HeldBy, Stale
from firmware.workflow.frame import first_highlighted
from firmware.workflow.outcomes import PinWaits, PinWrong
from firmware.workflow.screen import Acted, Screen
from firmware.workflow.terms import Role
from sensors.board.port import Button


class ScriptedStation:
    """Shows `screens` in order: any act leads to the next one, the last one stays."""

    def __init__(self, *screens: Screen, language: str = "en") -> None:
        self._screens = screens
        self._at = 0
        self._listeners: list[Callable[[], None]] = []
        self.revision = 1
        self.highlight = first_highlighted(self.screen)
        self.language = language
        self.holder = ""
        self.acts: list[Acted] = []
        self.kept: list[bool] = []

    @property
    def screen(self) -> Screen:
        return self._screens[self._at]

    @property
    def idle(self) -> bool:
        return self._at == 0

    @contextmanager
    def kept_free(self) -> Iterator[None]:
        self.kept.append(True)
        yield
        self.kept.append(False)

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        self._listeners.append(changed)
        return lambda: self._listeners.remove(changed)

    @property
    def watched(self) -> int:
        """How many listen."""
        return len(self._listeners)

    async def act(self, revision: int, acted: Acted) -> Answered:
        if revision != self.revision:
            return Stale()
        if self.holder not in ("", acted.operator):
            return HeldBy(self.holder)
        self.holder = acted.operator
        self.acts.append(acted)
        self.turn_to(min(self._at + 1, len(self._screens) - 1))
        return Accepted()

    async def press(self, button: Button, operator: str = "") -> Answered:
        match button:
            case Button.AGAIN:
                following = -1 if self.highlight is None else self.highlight
                self.highlight = (following + 1) % len(self.screen.choices)
                self._tell()
            case Button.OK:
                if self.highlight is None:
                    return HeldBack()
                return await self.act(
                    self.revision, Acted(self.screen.choices[self.highlight].act, operator=operator)
                )
            case Button.HELP:
                self.acts.append(Acted("help", operator=operator))
                self.turn_to(len(self._screens) - 1)
            case Button.LANGUAGE:
                self.speak("ar" if self.language == "en" else "en")
        return Accepted()

    async def take_over(self, operator: str) -> None:
        self.holder = operator

    def turn_to(self, index: int) -> None:
        """Show that screen."""
        self._at = index
        self.highlight = first_highlighted(self.screen)
        self._tell(new=True)

    def change(self, **changes: object) -> None:
        """Show the same screen, changed."""
        screens = list(self._screens)
        screens[self._at] = replace(self.screen, **changes)  # type: ignore[arg-type]
        self._screens = tuple(screens)
        self._tell(new=True)

    def speak(self, language: str) -> None:
        """Speak another language."""
        self.language = language
        self._tell()

    def _tell(self, *, new: bool = False) -> None:
        self.revision += new
        for listener in tuple(self._listeners):
            listener()


class ThreeOfStaff:
    """Staff whose PINs are known: amina, operator, 246824; boris and chidi, supervisors, 135713, 975319."""

    async def names(self) -> tuple[str, ...]:
        return ("amina", "boris", "chidi")

    async def check_pin(self, name: str, pin: str, peer: str = "") -> Role | PinWrong | PinWaits:
        if pin == "999999":
            return PinWaits(29.5)
        known = {
            ("amina", "246824"): Role.OPERATOR,
            ("boris", "135713"): Role.SUPERVISOR,
            ("chidi", "975319"): Role.SUPERVISOR,
        }
        return known.get((name, pin), PinWrong(4))
