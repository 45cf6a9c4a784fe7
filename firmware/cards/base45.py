"""Base45 (RFC 9285): bytes in the letters that a QR code packs most densely, which any scanner can type."""

from __future__ import annotations

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_VALUES = {letter: value for value, letter in enumerate(_LETTERS)}


def encode(data: bytes) -> str:
    """Return three letters for each two bytes, two for a last single one."""
    letters = []
    for start in range(0, len(data), 2):
        pair = data[start : start + 2]
        value = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            value, rest = divmod(value, 45)
            letters.append(_LETTERS[rest])
    return "".join(letters)


def decode(text: str) -> bytes:
    """Return the bytes; raises ValueError for what no bytes are written as."""
    data = bytearray()
    for start in range(0, len(text), 3):
        group = text[start : start + 3]
        value = 0
        for letter in reversed(group):
            if letter not in _VALUES:
                raise ValueError("a letter that base45 has not")
            value = value * 45 + _VALUES[letter]
        try:
            data += value.to_bytes(len(group) - 1, "big")
        except OverflowError as error:
            raise ValueError("a group that base45 has not") from error
        if len(group) == 1:
            raise ValueError("base45 ends in the middle of a group")
    return bytes(data)
