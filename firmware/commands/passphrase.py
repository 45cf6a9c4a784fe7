"""Passphrases that a command asks for, or reads from a file."""

from __future__ import annotations

from pathlib import Path

from firmware.commands.common import ask_pin
from trust.keys.errors import PinRefused


def ask_passphrase(prompt: str, *, twice: bool = False) -> bytearray:
    """Ask on the console; twice: for a new one. Raises PinRefused."""
    passphrase = ask_pin(prompt)
    if twice and ask_pin("The same again") != passphrase:
        raise PinRefused("the two passphrases differ: try again")
    return passphrase


def from_file(path: Path) -> bytearray:
    """Return the first line of a file. Raises PinRefused."""
    try:
        return bytearray(path.read_bytes().partition(b"\n")[0])
    except OSError as error:
        raise PinRefused(f"cannot read {path}: {error.strerror}") from error
