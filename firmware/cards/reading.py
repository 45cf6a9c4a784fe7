"""From what was scanned or typed to what it comes to at this appliance today."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from firmware.cards.check_character import without_check
from firmware.cards.making import token_tag
from firmware.cards.payload import NOT_OURS, PREFIX, Body, CardBody, NotWhole, TokenBody, from_text, key_id
from firmware.cards.terms import (
    AppointmentCard,
    Damaged,
    Foreign,
    Forged,
    HouseholdCard,
    OtherCycle,
    OtherDay,
    OtherUse,
    Reading,
    TypedNumber,
    VisitToken,
)
from trust.consent import Purpose
from trust.issuer import Signs, signature_holds

_TYPED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}(:[0-9A-Za-z])?")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a card has to fit here today.

    cycle: that is loaded, empty where none is. issuers: public keys that are trusted, 32 bytes each.
    token_key: of today's visit tokens, None where no list of a clinic's day is loaded.
    clock_checked: whether something vouches for today. list_day: the first day of the list that is loaded.
    """

    site: str
    purpose: Purpose
    today: date
    cycle: str = ""
    issuers: tuple[bytes, ...] = ()
    token_key: bytes | None = field(default=None, repr=False)
    clock_checked: bool = True
    list_day: date | None = None

    @property
    def surely(self) -> date | None:
        """The day that cards are held against: without a clock that of the list, None where none is loaded.

        Nobody is sent away for the appliance's clock: whether they are expected, the list says.
        """
        return self.today if self.clock_checked else self.list_day


class CardReader:
    """Reads cards against what is expected at the moment of each; raises nothing."""

    def __init__(self, expected: Callable[[], Expected]) -> None:
        self._expected = expected

    def read(self, value: str) -> Reading:
        """Return what the payload of a code, or a typed number, says."""
        return read(value, self._expected())


def read(value: str, expected: Expected) -> Reading:
    """Return what the payload of a code, or a typed number, says here today."""
    text = value.strip()
    if text == NOT_OURS:
        return Foreign()
    if not text.upper().startswith(PREFIX):
        return _typed(text)
    try:
        body, seal = from_text(
            text.upper()
        )  # a scanner that types may have its capitals locked the other way
    except NotWhole:
        return Damaged()
    return _judged(body, seal, expected)


def _typed(text: str) -> Reading:
    if not _TYPED.fullmatch(text):
        return Damaged()
    number = without_check(text)
    return Damaged() if number is None else TypedNumber(number)


def _judged(body: Body, seal: bytes, expected: Expected) -> Reading:
    if isinstance(body, TokenBody):
        return _token(body, seal, expected)
    issuers = [key for key in expected.issuers if key_id(key) == body.key_id]
    if not issuers:
        return Foreign()  # what it says of its site is nobody's word
    if not any(signature_holds(key, Signs.CARD, body.to_bytes(), seal) for key in issuers):
        return Forged()
    if body.site != expected.site:
        return Foreign(body.site)
    return _of_this_site(body, expected)


def _of_this_site(card: CardBody, expected: Expected) -> Reading:
    if card.cycle is None:
        if expected.purpose is not Purpose.CLINIC_CHECK_IN:
            return OtherUse()
        if expected.clock_checked and card.day != expected.today:
            return OtherDay(card.day)
        return AppointmentCard(card.site, card.number, card.day)
    if expected.purpose is not Purpose.DISTRIBUTION:
        return OtherUse()
    if card.cycle and card.cycle != expected.cycle:
        return OtherCycle(card.cycle)
    if expected.surely is not None and card.day < expected.surely:
        return OtherDay(card.day)
    return HouseholdCard(card.site, card.number, card.cycle, card.day)


def _token(token: TokenBody, tag: bytes, expected: Expected) -> Reading:
    # Each day has a key of its own, so that nothing can be said of the token of another day but the day.
    if expected.surely is not None and token.day != expected.surely:
        return OtherDay(token.day)
    if expected.token_key is None or not hmac.compare_digest(tag, token_tag(expected.token_key, token)):
        return Foreign()
    return VisitToken(token.number, token.day)
