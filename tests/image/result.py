"""What a scenario of the image found, and the page's table of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

PAGE = Path("docs/image.md")
_BEGIN = "<!-- made by `make image-test` -->\n"
_END = "<!-- end -->\n"
_HEAD = "| Scenario | What was seen | Took | Wrong | Image |\n|---|---|---:|---|---|\n"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table in docs/image.md.

    seen: sentences, each true when it was written. figures: by name, with the unit in the name.
    wrong: one sentence each; empty is what is claimed. digest: of what the image was made of (`tried`).
    """

    scenario: str
    seen: tuple[str, ...]
    wrong: tuple[str, ...]
    took_s: float
    figures: dict[str, float] = {}
    digest: str = ""


class Notes:
    """Takes down what a scenario sees, and says it at once."""

    def __init__(self, scenario: str, say: Callable[[str], object]) -> None:
        self._scenario, self._say = scenario, say
        self._begun_s = time.monotonic()
        self._seen: list[str] = []
        self._wrong: list[str] = []
        self._figures: dict[str, float] = {}

    def progress(self, text: str) -> None:
        """Say where the work is; nothing is kept of it."""
        self._say(f"{time.monotonic() - self._begun_s:7.1f} s  {text}")

    def seen(self, text: str) -> None:
        """Take down what holds."""
        self.progress(text)
        self._seen.append(text)

    def wrong(self, text: str) -> None:
        """Take down what does not hold."""
        self.progress(f"WRONG: {text}")
        self._wrong.append(text)

    def check(self, holds: bool, text: str, found: object = "") -> None:
        """Take down `text` as seen where it holds, and else as wrong with what was found."""
        if holds:
            self.seen(text)
        else:
            self.wrong(f"not so: {text}; {found}" if found != "" else f"not so: {text}")

    def figure(self, name: str, value: float) -> None:
        """Keep a number, its unit in its name."""
        self.progress(f"{name} = {value:.6g}")
        self._figures[name] = value

    def result(self) -> Result:
        """Return what was taken down."""
        return Result(
            scenario=self._scenario,
            seen=tuple(self._seen),
            wrong=tuple(self._wrong),
            took_s=round(time.monotonic() - self._begun_s, 1),
            figures=self._figures,
        )


def with_table(page: str, results: Sequence[Result]) -> str:
    """Return the page with its table made anew."""
    before, rest = page.split(_BEGIN)
    _, after = rest.split(_END)
    return f"{before}{_BEGIN}\n{_HEAD}{''.join(map(_row, results))}\n{_END}{after}"


def _row(result: Result) -> str:
    wrong = "; ".join(result.wrong) or "nothing"
    # The same letters are the same recipe, units and wheels (tests/image/tried.py).
    image = result.digest[:8]
    cells = (result.scenario, "; ".join(result.seen), f"{result.took_s:.0f} s", wrong, image)
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"
