"""One picture of the console, as lines of text that fit it."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_PLAIN, _MARKED = b"\033[0m", b"\033[7m"
_HOME, _REST_OF_LINE, _REST = b"\033[H", b"\033[K", b"\033[J"
_MARGIN = 2
# Spaces that a console's font does not have, and what Unicode marks directions with.
_SPACES = dict.fromkeys(map(ord, "\u00a0\u202f\u2009"), " ")
_PLAIN_SIGNS = {"’": "'", "ʼ": "'", "‘": "'", "“": '"', "”": '"', "«": '"', "»": '"', "–": "-", "—": "-"}
_UNSEEN = dict.fromkeys(map(ord, "\u200b\u200e\u200f\u2066\u2067\u2068\u2069\u00ad"))


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn. heading: the line at the top. told: stands out, to be read aloud or typed elsewhere.

    choices: by the buttons of the board; marked: which of them OK takes.
    """

    heading: str
    title: str
    told: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    marked: int = 0
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the console. marked: dark on light."""

    text: str = ""
    marked: bool = False


def drawn(picture: Picture, columns: int, lines: int, draws: Callable[[str], bool]) -> bytes:
    """Return what a terminal is sent so that it shows the picture and nothing else.

    Each line is overwritten and none cleared before, so that the same picture again does not flicker.
    draws: whether the terminal has a letter.
    """
    sent = bytearray(_PLAIN + _HOME)
    rows = _fitting(picture, columns, lines)
    for number, row in enumerate(rows):
        # Only now: where one of these spaces is, no line may break.
        text = row.text.translate(_SPACES)
        text = "".join(letter if draws(letter) else _instead(letter, draws) for letter in text)
        sent += (_MARKED if row.marked else _PLAIN) + text.encode() + _PLAIN + _REST_OF_LINE
        if number + 1 < len(rows):
            sent += b"\r\n"
    return bytes(sent + _REST)


def _fitting(picture: Picture, columns: int, lines: int) -> list[Row]:
    """Return the rows; where they are too many the empty ones go first, and then the last."""
    rows = list(_rows(picture, columns))
    for place in range(len(rows) - 1, 0, -1):
        if len(rows) > lines and not rows[place].text:
            del rows[place]
    if len(rows) > lines:
        rows = [*rows[: lines - 1], Row(f"{' ' * _MARGIN}...")]
    return rows


def _rows(picture: Picture, columns: int) -> Iterator[Row]:
    for row in _wrapped(picture.heading, columns):
        yield Row(row.text.ljust(columns - 1), marked=True)
    yield Row()
    yield from _wrapped(picture.title, columns)
    for each in picture.told:
        yield Row()
        text = f"{' ' * _MARGIN}{_seen(each)}{' ' * _MARGIN}"
        yield Row(text[: columns - 1], marked=True)
    for line in picture.lines:
        yield Row()
        yield from _wrapped(line, columns)
    if picture.choices:
        yield Row()
        for place, choice in enumerate(picture.choices):
            yield from _wrapped(choice, columns, "> " if place == picture.marked else "  ")
        yield from _wrapped(picture.hint, columns)


def _wrapped(sentence: str, columns: int, before: str = "") -> Iterator[Row]:
    indent = " " * _MARGIN
    width = max(columns - 1 - len(before) - _MARGIN, 8)
    for number, line in enumerate(textwrap.wrap(_seen(sentence), width, break_on_hyphens=False)):
        yield Row(f"{indent}{before if number == 0 else ' ' * len(before)}{line}")


def _seen(sentence: str) -> str:
    """Return it without what steers a terminal, and without marks that only a browser understands."""
    text = unicodedata.normalize("NFC", sentence.translate(_UNSEEN))
    return "".join(letter if letter.isprintable() or ord(letter) in _SPACES else " " for letter in text)


def _instead(letter: str, draws: Callable[[str], bool]) -> str:
    plain = _PLAIN_SIGNS.get(letter) or unicodedata.normalize("NFKD", letter)[:1]
    return plain if plain.isascii() and draws(plain) else "?"
