"""The claim code: what an operator hands to whoever installs a device, good for one device of one site.

45 characters of Crockford's base32 in groups of five: 80 random bits, of which the aggregator keeps a keyed
digest; 128 bits of the SHA-256 of the authority's certificate, which the device pins; and 16 bits that find a
slip of the pen.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Self

SECRET_BYTES = 10
PIN_BYTES = 16
"""A second certificate with the same 128 bits costs 2^128 tries; collisions are of no use to anybody here."""
AUTHORITY_PROTOCOL = "aidpost-authority"
"""ALPN of a connection that is answered with the authority's certificate, for devices that pin it."""
_CHECK_BYTES = 2
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans("OIL", "011")  # Crockford: what people write for 0 and 1
_LENGTH = 45  # 28 bytes are 224 bits, 45 characters 225


class ClaimRefused(ValueError):
    """What was typed is no claim code."""


@dataclass(frozen=True, slots=True)
class Claim:
    """secret: proves the claim, 10 bytes, hidden in the repr. pin: of the authority, 16 bytes."""

    secret: bytes = field(repr=False)
    pin: bytes

    @classmethod
    def new(cls, authority_fingerprint: bytes) -> Self:
        """Return a new claim; authority_fingerprint: the SHA-256 of its certificate, 32 bytes."""
        return cls(secrets.token_bytes(SECRET_BYTES), authority_fingerprint[:PIN_BYTES])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a person typed: case, spaces and dashes do not matter; raises ClaimRefused."""
        letters = "".join(text.split()).replace("-", "").upper().translate(_READ_AS)
        if len(letters) != _LENGTH or any(letter not in _ALPHABET for letter in letters):
            raise ClaimRefused(f"a claim code has {_LENGTH} letters and digits in groups of five")
        number = 0
        for letter in letters:
            number = number * 32 + _ALPHABET.index(letter)
        data = (number >> 1).to_bytes(SECRET_BYTES + PIN_BYTES + _CHECK_BYTES, "big")
        body, check = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
        if number & 1 or not hmac.compare_digest(_checksum(body), check):
            raise ClaimRefused("the claim code has a slip in it: compare it with the original")
        return cls(body[:SECRET_BYTES], body[SECRET_BYTES:])

    def text(self) -> str:
        """Return the code as it is printed."""
        body = self.secret + self.pin
        number = int.from_bytes(body + _checksum(body), "big") << 1
        letters = "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))
        return "-".join(letters[start : start + 5] for start in range(0, _LENGTH, 5))

    def pins(self, authority_fingerprint: bytes) -> bool:
        """Tell whether the code belongs to the authority with this SHA-256."""
        return hmac.compare_digest(self.pin, authority_fingerprint[:PIN_BYTES])


def claim_digest(key: bytes, secret: bytes) -> bytes:
    """Return what the aggregator keeps of a claim: HMAC-SHA-256 under a key that is not in its store."""
    return hmac.digest(key, secret, "sha256")


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(b"aidpost claim" + body).digest()[:_CHECK_BYTES]
