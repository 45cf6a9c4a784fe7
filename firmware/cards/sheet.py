"""Sheets of cards and tokens as PDF: A4, cut marks, no names.

The same cards give the same bytes, whenever they are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from reportlab.lib.units import mm

from firmware.cards.check_character import printed
from firmware.cards.drawing import (
    draw_calendar,
    draw_code,
    draw_house,
    draw_people,
    draw_ticket,
)
from firmware.cards.making import appointment_card, household_card, visit_token
from firmware.cards.pages import Grid, to_pdf, write_fitted
from trust.issuer import IssuerKey
from trust.lists.terms import ClinicList, DistributionList

_CARD_WIDTH, _CARD_HEIGHT = 85.6 * mm, 54 * mm  # ID-1 of ISO/IEC 7810, so that holders for such cards fit
_CARD_CODE = 42 * mm
_TOKEN_WIDTH, _TOKEN_HEIGHT = 60 * mm, 32 * mm
_TOKEN_CODE = 28 * mm
_LARGEST_NUMBER_SIZE = 20.0


_CARDS = Grid(2, 5, _CARD_WIDTH, _CARD_HEIGHT)
_TOKENS = Grid(3, 8, _TOKEN_WIDTH, _TOKEN_HEIGHT)


def card_sheet(
    planned: ClinicList | DistributionList, issuer: IssuerKey, last_day: date | None = None
) -> bytes:
    """Return the PDF of a card for each household or appointment of the list, in its order.

    last_day: until when household cards are good, in any cycle; None: for the list's own cycle alone.
    """
    if isinstance(planned, ClinicList):
        cards = [
            _Card(appointment_card(issuer, planned.site, each.number, planned.day), each.number, planned.site,
                  f"{planned.day}" if each.at is None else f"{planned.day}  {each.at:%H:%M}")
            for each in planned.appointments
        ]  # fmt: skip
    else:
        cycle = planned.cycle if last_day is None else ""
        until = last_day or planned.last_day
        cards = [
            _Card(household_card(issuer, planned.site, each.number, until, cycle), each.number, planned.site,
                  f"{cycle}  until {until}".strip(), each.size)
            for each in planned.households
        ]  # fmt: skip
    return to_pdf(_CARDS, [card.draw for card in cards], "Cards")


def token_sheet(key: bytes, numbers: Sequence[str], site: str, day: date) -> bytes:
    """Return the PDF of visit tokens for one day. key: of the day, as `making.token_key` makes it."""
    tokens = [_Token(visit_token(key, number, day), number, site, day) for number in numbers]
    return to_pdf(_TOKENS, [token.draw for token in tokens], "Visit tokens")


@dataclass(frozen=True, slots=True)
class _Card:
    text: str
    number: str
    site: str
    line: str
    size: int | None = None

    def draw(self, page: Any, x: float, y: float) -> None:
        draw_code(page, self.text, x + 2 * mm, y + (_CARD_HEIGHT - _CARD_CODE) / 2, _CARD_CODE)
        left, width = x + _CARD_CODE + 3 * mm, _CARD_WIDTH - _CARD_CODE - 5 * mm
        sign = draw_calendar if self.size is None else draw_house
        sign(page, left, y + 39 * mm, 10 * mm)
        write_fitted(
            page, printed(self.number), left, y + 28 * mm, width, "Helvetica-Bold", _LARGEST_NUMBER_SIZE
        )
        if self.size is not None:
            draw_people(page, self.size, left, y + 17 * mm, min(7 * mm, width / (0.52 * max(self.size, 1))))
        write_fitted(page, self.site, left, y + 9 * mm, width, "Helvetica", 9)
        write_fitted(page, self.line, left, y + 5 * mm, width, "Helvetica", 9)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    number: str
    site: str
    day: date

    def draw(self, page: Any, x: float, y: float) -> None:
        draw_code(page, self.text, x + 1 * mm, y + (_TOKEN_HEIGHT - _TOKEN_CODE) / 2, _TOKEN_CODE)
        left, width = x + _TOKEN_CODE + 2 * mm, _TOKEN_WIDTH - _TOKEN_CODE - 4 * mm
        draw_ticket(page, left, y + 23 * mm, 7 * mm)
        write_fitted(page, self.number, left, y + 12 * mm, width, "Helvetica-Bold", 28)
        write_fitted(page, self.site, left, y + 7 * mm, width, "Helvetica", 8)
        write_fitted(page, f"{self.day}", left, y + 4 * mm, width, "Helvetica", 8)
