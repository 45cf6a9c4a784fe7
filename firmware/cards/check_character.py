"""The check character of a printed number: ISO/IEC 7064 MOD 37,36, which finds each single slip.

It finds every wrong character and every two neighbours that changed places. It stands after a colon, which
no number holds: H-0001:W.
"""

from __future__ import annotations

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MODULUS = 36
_MARK = ":"


def check_character(number: str) -> str:
    """Return the character for a card or case number; its marks . _ - / and its case do not count."""
    value = _MODULUS
    for letter in number.upper():
        if letter in _ALPHABET:
            value = (value + _ALPHABET.index(letter)) % _MODULUS or _MODULUS
            value = value * 2 % (_MODULUS + 1)
    return _ALPHABET[(_MODULUS + 1 - value) % _MODULUS]


def printed(number: str) -> str:
    """Return the number as it stands on cards."""
    return f"{number}{_MARK}{check_character(number)}"


def without_check(typed: str) -> str | None:
    """Return the number that was typed, None where its check character does not fit; it may be left out."""
    number, mark, check = typed.partition(_MARK)
    return number if not mark or check.upper() == check_character(number) else None
