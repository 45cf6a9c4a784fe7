"""Passphrases that a command asks for, or reads from a file."""

from __future__ import annotations

from pathlib import Path

from firmware.commands.common import ask_pin
from trust.keys.errors import PinRefused

_MAX_BYTES = 4096
"""Of a passphrase in a file: any sentence, and no image of a card that was named in its place."""


def ask_passphrase(prompt: str, *, twice: bool = False) -> bytearray:
    """Ask on the console; twice: for a new one. Raises PinRefused."""
    passphrase = ask_pin(prompt)
    if twice and ask_pin("The same again") != passphrase:
        raise PinRefused("the two passphrases differ: try again")
    return passphrase


def from_file(path: Path) -> bytearray:
    """Return the first line of a file without its end, also one of CR LF. Raises PinRefused."""
    try:
        with path.open("rb") as file:
            line = file.readline(_MAX_BYTES + 2)
    except OSError as error:
        raise PinRefused(f"cannot read {path}: {error.strerror}") from error
    passphrase = bytearray(line.removesuffix(b"\n").removesuffix(b"\r"))
    if len(passphrase) > _MAX_BYTES:
        raise PinRefused(f"the first line of {path} is longer than any passphrase: is it another file?")
    return passphrase
