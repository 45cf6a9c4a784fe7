"""What a code holds, as bytes and as text; no key and no clock is needed here.

    text   = "AID:" base45(body seal checksum)
    body   = kind, then for a card: id of the key (4), site, number, for a household the cycle, day (2)
                   for a token: number, day (2)
    seal   = Ed25519 signature of the body (64) for a card, 8 bytes of HMAC-SHA-256 for a token
    checksum = CRC-16 (CCITT) of body and seal: what fails it is damaged, whoever made it

Texts inside are one byte of length and ASCII; a day is two bytes, days since 2020-01-01. A household's card
of a short site and number is 91 bytes, a QR code of 41 modules at level M.
"""

from __future__ import annotations

import binascii
import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeAlias

from firmware.cards import base45
from trust.issuer import SIGNATURE_BYTES

PREFIX = "AID:"
NOT_OURS = PREFIX
"""What the reader passes on for a code that is none of this project's, whatever it holds."""
UNREADABLE = f"{PREFIX}*"
"""What the reader passes on for a code that it finds and cannot decode."""
TOKEN_TAG_BYTES = 8
KEY_ID_BYTES = 4
MAX_TEXT = 512
_HOUSEHOLD, _APPOINTMENT, _TOKEN = 0x11, 0x12, 0x13  # version 1
_CHECKSUM_BYTES = 2
_FIRST_DAY = date(2020, 1, 1)
LAST_DAY = _FIRST_DAY + timedelta(days=2**16 - 1)
"""The last day that two bytes can say: 2199-06-06."""


class NotWhole(ValueError):
    """The text was misread or cut short."""


@dataclass(frozen=True, slots=True)
class CardBody:
    """What a card says. cycle: None for an appointment, empty for a household in any cycle.

    day: of the appointment, or the last one of a household's card.
    """

    key_id: bytes
    site: str
    number: str
    cycle: str | None
    day: date

    def to_bytes(self) -> bytes:
        """Return what is signed."""
        kind = _APPOINTMENT if self.cycle is None else _HOUSEHOLD
        texts = (self.site, self.number) if self.cycle is None else (self.site, self.number, self.cycle)
        return bytes([kind]) + self.key_id + b"".join(map(_text, texts)) + _day(self.day)


@dataclass(frozen=True, slots=True)
class TokenBody:
    """What a visit token says."""

    number: str
    day: date

    def to_bytes(self) -> bytes:
        """Return what the tag is of."""
        return bytes([_TOKEN]) + _text(self.number) + _day(self.day)


Body: TypeAlias = CardBody | TokenBody


def key_id(public_key: bytes) -> bytes:
    """Return what a card says of the key that signed it: 4 bytes of its SHA-256."""
    return hashlib.sha256(public_key).digest()[:KEY_ID_BYTES]


def to_text(body: Body, seal: bytes) -> str:
    """Return what the code holds."""
    sealed = body.to_bytes() + seal
    return PREFIX + base45.encode(sealed + _checksum(sealed))


def from_text(text: str) -> tuple[Body, bytes]:
    """Return what a code says, and its seal, which nobody has checked yet. Raises NotWhole."""
    if len(text) > MAX_TEXT or not text.startswith(PREFIX):
        raise NotWhole("no text of this project")
    try:
        data = base45.decode(text[len(PREFIX) :])
    except ValueError as error:
        raise NotWhole("no base45") from error
    sealed, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if len(sealed) < 1 or checksum != _checksum(sealed):
        raise NotWhole("the checksum does not fit")
    seal_bytes = TOKEN_TAG_BYTES if sealed[0] == _TOKEN else SIGNATURE_BYTES
    body = _Reader(sealed[:-seal_bytes])
    return body.read(), sealed[-seal_bytes:]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._rest = data

    def read(self) -> Body:
        kind = self._take(1)[0]
        body: Body
        if kind == _TOKEN:
            body = TokenBody(self._text(), self._day())
        elif kind in (_HOUSEHOLD, _APPOINTMENT):
            body = CardBody(
                self._take(KEY_ID_BYTES),
                self._text(),
                self._text(),
                self._text() if kind == _HOUSEHOLD else None,
                self._day(),
            )
        else:
            raise NotWhole("of a later version, or misread")
        if self._rest:
            raise NotWhole("more than it should hold")
        return body

    def _text(self) -> str:
        data = self._take(self._take(1)[0])
        if not data.isascii():
            raise NotWhole("no ASCII")
        return data.decode("ascii")

    def _day(self) -> date:
        return _FIRST_DAY + timedelta(days=int.from_bytes(self._take(2), "big"))

    def _take(self, count: int) -> bytes:
        taken, self._rest = self._rest[:count], self._rest[count:]
        if len(taken) < count:
            raise NotWhole("less than it should hold")
        return taken


def _text(text: str) -> bytes:
    data = text.encode("ascii")
    return bytes([len(data)]) + data


def _day(day: date) -> bytes:
    return (day - _FIRST_DAY).days.to_bytes(2, "big")


def _checksum(data: bytes) -> bytes:
    return binascii.crc_hqx(data, 0xFFFF).to_bytes(_CHECKSUM_BYTES, "big")
