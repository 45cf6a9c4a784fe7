"""Makes what cards and tokens say, and seals it."""

from __future__ import annotations

import hmac
import itertools
from collections.abc import Iterator
from datetime import date

from firmware.cards.payload import TOKEN_TAG_BYTES, CardBody, TokenBody, key_id, to_text
from trust.issuer import IssuerKey, Signs

TOKENS = 10_000
"""Visit tokens have four digits, read aloud and shown large in any script; a day has 500 appointments."""


def household_card(issuer: IssuerKey, site: str, number: str, last_day: date, cycle: str = "") -> str:
    """Return the text of a household's card; cycle: empty for any cycle until the last day."""
    return _signed(issuer, CardBody(key_id(issuer.public), site, number, cycle, last_day))


def appointment_card(issuer: IssuerKey, site: str, number: str, day: date) -> str:
    """Return the text of the card of an appointment."""
    return _signed(issuer, CardBody(key_id(issuer.public), site, number, None, day))


def token_key(list_key: bytes, day: date) -> bytes:
    """Return the key of the visit tokens of one day: whoever loads the day's list has it, and nobody else."""
    return hmac.digest(list_key, b"aidpost visit tokens\0" + day.isoformat().encode(), "sha256")


def token_numbers(key: bytes, device_id: str) -> Iterator[str]:
    """Yield all numbers but 0000 in the order in which this appliance hands them out today.

    The order is random to whoever has not the day's key, and known to whoever prints: the slip on top of the
    stack is the one that the appliance names next. Appliances of one site have orders of their own.
    """
    seed = hmac.digest(key, b"aidpost token order\0" + device_id.encode(), "sha256")
    drawn: set[int] = set()
    for count in itertools.count():
        draw = hmac.digest(seed, count.to_bytes(8, "big"), "sha256")
        number = 1 + int.from_bytes(draw[:8], "big") % (TOKENS - 1)
        if number not in drawn:
            drawn.add(number)
            yield f"{number:04}"
        if len(drawn) == TOKENS - 1:
            return


def visit_token(key: bytes, number: str, day: date) -> str:
    """Return the text of a visit token under the day's key (`token_key`)."""
    body = TokenBody(number, day)
    return to_text(body, token_tag(key, body))


def token_tag(key: bytes, body: TokenBody) -> bytes:
    """Return what only the sites of the day's list can make: 8 bytes of HMAC-SHA-256."""
    return hmac.digest(key, body.to_bytes(), "sha256")[:TOKEN_TAG_BYTES]


def _signed(issuer: IssuerKey, body: CardBody) -> str:
    return to_text(body, issuer.sign(Signs.CARD, body.to_bytes()))
