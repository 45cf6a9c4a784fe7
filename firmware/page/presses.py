"""The buttons of the board that move about the page, with the numbers by which browsers tell them apart."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from firmware.page.streams import Part
from sensors.board.port import Button

MOST_PRESSES = 32
"""How many presses of the board's buttons a browser that is slow can be told of."""
CHANGING_S = 3.0
"""So long a browser may be on its way from one page beside the work to the next."""


class Presses:
    """The last presses that the page took, and the browsers that are told of them."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._beside_until_s = 0.0
        self._taken: deque[tuple[int, Button]] = deque(maxlen=MOST_PRESSES)
        self._told: dict[object, bool] = {}

    @property
    def listening(self) -> bool:
        """Whether any browser is told."""
        return bool(self._told)

    @property
    def beside(self) -> bool:
        """Whether the browser that came last shows a page beside the work: the day, or its list.

        While it loads the next page too: a press meanwhile must not act on the work, which nobody sees then.
        """
        return self._monotonic_s() < self._beside_until_s or (
            bool(self._told) and list(self._told.values())[-1]
        )

    @contextmanager
    def told(self, *, beside: bool) -> Iterator[None]:
        """A browser is told of the presses meanwhile."""
        browser = object()
        self._told[browser] = beside
        self._beside_until_s = 0.0
        try:
            yield
        finally:
            if beside and list(self._told)[-1] is browser:
                self._beside_until_s = self._monotonic_s() + CHANGING_S
            del self._told[browser]

    @property
    def last(self) -> int:
        """Number of the last press, 0 before the first."""
        return self._taken[-1][0] if self._taken else 0

    def take(self, button: Button) -> None:
        """Remember a press under the next number."""
        self._taken.append((self.last + 1, button))

    def part(self) -> Part:
        """The last presses with their numbers: a browser does those that it has not done."""
        taken = " ".join(f"{number}:{button.value}" for number, button in self._taken)
        return Part("press", self.last, lambda: taken)
