"""Makes what cards and tokens say, and seals it."""

from __future__ import annotations

import hmac
from datetime import date

from firmware.cards.payload import TOKEN_TAG_BYTES, CardBody, TokenBody, key_id, to_text
from trust.issuer import IssuerKey, Signs

DESKS = 10
TOKENS = 1_000
"""Visit tokens have four digits, read aloud and shown large in any script: the first is the appliance's
(`desk_digit`), and so each has as many of its own. A day has 500 appointments at one appliance."""


def household_card(issuer: IssuerKey, site: str, number: str, last_day: date, cycle: str = "") -> str:
    """Return the text of a household's card; cycle: empty for any cycle until the last day."""
    return _signed(issuer, CardBody(key_id(issuer.public), site, number, cycle, last_day))


def appointment_card(issuer: IssuerKey, site: str, number: str, day: date) -> str:
    """Return the text of the card of an appointment."""
    return _signed(issuer, CardBody(key_id(issuer.public), site, number, None, day))


def token_key(list_key: bytes, day: date) -> bytes:
    """Return the key of the visit tokens of one day: whoever loads the day's list has it, and nobody else."""
    return hmac.digest(list_key, b"aidpost visit tokens\0" + day.isoformat().encode(), "sha256")


def desk_digit(device_id: str) -> int:
    """Return the digit with which this appliance's visit tokens begin.

    It is the last digit of its name, or where that ends with a letter, the letter's place in the alphabet,
    modulo ten: desk-1 and desk-2, or post-a and post-b, have ranges of their own. Nobody has to tell
    appliances without a network of each other for that; ten of them at most serve one clinic.
    """
    last = next(sign for sign in reversed(device_id.lower()) if sign.isalnum())
    return (int(last) if last.isdecimal() else ord(last) - ord("a") + 1) % DESKS


def token_numbers(key: bytes, device_id: str) -> list[str]:
    """Return all numbers of this appliance but 0000 in the order in which it hands them out today.

    The order is random to whoever has not the day's key, and known to whoever prints: the slip on top of the
    stack is the one that the appliance names next. No two appliances have a number in common whose
    `desk_digit` differs.
    """
    seed = hmac.digest(key, b"aidpost token order\0" + device_id.encode(), "sha256")
    first = desk_digit(device_id) * TOKENS
    numbers = (f"{number:04}" for number in range(max(first, 1), first + TOKENS))
    return sorted(numbers, key=lambda number: hmac.digest(seed, number.encode(), "sha256"))


def visit_token(key: bytes, number: str, day: date) -> str:
    """Return the text of a visit token under the day's key (`token_key`)."""
    body = TokenBody(number, day)
    return to_text(body, token_tag(key, body))


def token_tag(key: bytes, body: TokenBody) -> bytes:
    """Return what only the sites of the day's list can make: 8 bytes of HMAC-SHA-256."""
    return hmac.digest(key, body.to_bytes(), "sha256")[:TOKEN_TAG_BYTES]


def _signed(issuer: IssuerKey, body: CardBody) -> str:
    return to_text(body, issuer.sign(Signs.CARD, body.to_bytes()))
