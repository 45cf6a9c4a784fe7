"""Makes what cards and tokens say, and seals it."""

from __future__ import annotations

import hmac
from datetime import date

from firmware.cards.payload import TOKEN_TAG_BYTES, CardBody, TokenBody, key_id, to_text
from trust.issuer import IssuerKey, Signs

TOKENS = 10_000
"""Visit tokens are numbers of four digits: few enough to be called out."""


def household_card(issuer: IssuerKey, site: str, number: str, last_day: date, cycle: str = "") -> str:
    """Return the text of a household's card; cycle: empty for any cycle until the last day."""
    return _signed(issuer, CardBody(key_id(issuer.public), site, number, cycle, last_day))


def appointment_card(issuer: IssuerKey, site: str, number: str, day: date) -> str:
    """Return the text of the card of an appointment."""
    return _signed(issuer, CardBody(key_id(issuer.public), site, number, None, day))


def token_key(list_key: bytes, day: date) -> bytes:
    """Return the key of the visit tokens of one day: whoever loads the day's list has it, and nobody else."""
    return hmac.digest(list_key, b"aidpost visit tokens\0" + day.isoformat().encode(), "sha256")


def token_numbers(key: bytes, device_id: str) -> list[str]:
    """Return all numbers in the order in which this appliance hands them out today.

    The order is random to whoever has not the day's key, and known to whoever prints: the slip on top of the
    stack is the one that the appliance names next. Appliances of one site have orders of their own.
    """
    seed = hmac.digest(key, b"aidpost token order\0" + device_id.encode(), "sha256")
    order = sorted(range(TOKENS), key=lambda number: hmac.digest(seed, number.to_bytes(2, "big"), "sha256"))
    return [f"{number:04}" for number in order]


def visit_token(key: bytes, number: str, day: date) -> str:
    """Return the text of a visit token under the day's key (`token_key`)."""
    body = TokenBody(number, day)
    return to_text(body, token_tag(key, body))


def token_tag(key: bytes, body: TokenBody) -> bytes:
    """Return what only the sites of the day's list can make: 8 bytes of HMAC-SHA-256."""
    return hmac.digest(key, body.to_bytes(), "sha256")[:TOKEN_TAG_BYTES]


def _signed(issuer: IssuerKey, body: CardBody) -> str:
    return to_text(body, issuer.sign(Signs.CARD, body.to_bytes()))
