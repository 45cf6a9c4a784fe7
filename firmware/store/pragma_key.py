"""The one place where a key becomes text: SQLCipher takes it in a statement, and in no other way here."""

from __future__ import annotations

import ctypes
import hmac
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

from trust.keys.secret import SecretKey

_SALT_BYTES = 16
_DIGITS = b"0123456789abcdef"


@contextmanager
def lent_text(key: SecretKey, before: str = "", after: str = "") -> Iterator[str]:
    """Lend the key as SQLCipher writes raw keys, x'...', between two texts; overwritten at the end.

    The salt follows the key. It is derived from it, and not the random one at the beginning of the file, on
    which each page's HMAC key would hang: a damaged first page would close all the others.
    """
    text = bytearray(f"{before}x'{'0' * 2 * (len(key) + _SALT_BYTES)}'{after}", "ascii")
    at = len(before) + 2
    with key.view() as view:
        salt = hmac.digest(view, b"aidpost store salt 1", "sha256")[:_SALT_BYTES]
        for byte in chain(view, salt):
            text[at : at + 2] = _DIGITS[byte >> 4], _DIGITS[byte & 15]
            at += 2
    statement = text.decode("ascii")
    text[:] = bytes(len(text))
    try:
        yield statement
    finally:
        overwrite(statement)


def overwrite(text: str) -> None:
    """Overwrite the characters of an ASCII string that nobody will use again.

    Python has no way for it. CPython (3.11 to 3.13) keeps ASCII text behind the object's header, one byte a
    character and a zero (PEP 393), so it ends where the object ends; a test looks for the key in the memory
    of the process.
    """
    if not text.isascii():
        raise ValueError("only ASCII text is overwritten")
    ctypes.memset(id(text) + sys.getsizeof(text) - len(text) - 1, 0, len(text))
