"""Passwords of the dashboard's accounts by Argon2id, and codes of a second factor by RFC 6238."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import unicodedata
from urllib.parse import quote

from aggregator.accounts import Credential
from trust.keys.stretching import SALT_BYTES, SIGN_IN_COST, Argon2Cost, stretched

MIN_CHARACTERS = 15  # SP 800-63B-4 §3.1.1.2: of a password that is the only factor
MIN_CHARACTERS_OF_TWO = 8  # the same section, beside a second factor
MAX_CHARACTERS = 256
STEP_S = 30
_DIGITS = 6
_TOTP_BYTES = 20


class PasswordRefused(ValueError):
    """The password cannot be set; the message says why."""


def make_credential(
    name: str, password: str, *, totp: bytes | None = None, cost: Argon2Cost = SIGN_IN_COST
) -> Credential:
    """Return what the password is checked with from now on. Raises PasswordRefused."""
    least = MIN_CHARACTERS if totp is None else MIN_CHARACTERS_OF_TWO
    if not least <= len(password) <= MAX_CHARACTERS:
        raise PasswordRefused(f"a password has from {least} to {MAX_CHARACTERS} characters: take a sentence")
    if name.lower() in password.lower() or len(set(password)) < 5:
        raise PasswordRefused("a password holds no name of its account, and more than a few characters")
    salt = os.urandom(SALT_BYTES)
    return Credential(salt, cost, _digest(password, salt, cost), totp)


def is_right(credential: Credential | None, password: str) -> bool:
    """Whether the password is right; None, of a name that nobody has, takes as long and is always wrong."""
    asked = credential or Credential(bytes(SALT_BYTES), SIGN_IN_COST, b"")
    return hmac.compare_digest(_digest(password[:MAX_CHARACTERS], asked.salt, asked.cost), asked.digest)


def new_totp_secret() -> bytes:
    """Return a random secret of 20 bytes, as RFC 4226 §4 asks for."""
    return secrets.token_bytes(_TOTP_BYTES)


def totp_step_of(secret: bytes, code: str, now_ns: int) -> int | None:
    """Return the step of time that a code is of, one before or after allowed; None for a wrong one."""
    now_step = now_ns // (STEP_S * 1_000_000_000)
    given = code.replace(" ", "").encode()
    for step in (now_step, now_step - 1, now_step + 1):
        if hmac.compare_digest(totp_code(secret, step).encode(), given):
            return step
    return None


def totp_code(secret: bytes, step: int) -> str:
    """Return the code of a step of 30 s since 1970 (RFC 6238 with HMAC-SHA-1 and six digits)."""
    digest = hmac.new(secret, step.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**_DIGITS:0{_DIGITS}}"


def totp_address(name: str, secret: bytes) -> str:
    """Return the secret as authenticator programs take it."""
    coded = base64.b32encode(secret).decode().rstrip("=")
    return f"otpauth://totp/Aidpost:{quote(name)}?secret={coded}&issuer=Aidpost"


def _digest(password: str, salt: bytes, cost: Argon2Cost) -> bytes:
    typed = bytearray(unicodedata.normalize("NFKC", password).encode())
    with stretched(typed, salt, cost) as key, key.view() as view:
        return bytes(view)
