"""The `otp` guard: the secret is fused into the board, in the Raspberry Pi's customer OTP rows.

The card alone opens nowhere else. Fused bits are never cleared, so destroying overwrites what is on the card;
with `burn` it also sets every bit, after which no earlier copy of the card opens either, and the board is
spent as an `otp` guard.
"""

from __future__ import annotations

import os
from pathlib import Path

from firmware.guard import key_file
from firmware.guard.mailbox import ROWS, Mailbox, program_rows, read_rows
from firmware.guard.wrapped import WrappedGuard, new_keys
from firmware.guard.wrapping import derived
from trust.keys.errors import GuardUnavailable
from trust.keys.guard import GuardKind
from trust.keys.secret import SecretKey
from trust.keys.stretching import SALT_BYTES

_BURNT = b"\xff" * (4 * ROWS)


class OtpGuard(WrappedGuard):
    """A wrapped guard that can burn its board."""

    def __init__(
        self, folder: Path, keys: key_file.KeyFile, kek: SecretKey, mailbox: Mailbox, *, burn: bool
    ) -> None:
        """burn: whether `destroy` spends the board."""
        super().__init__(folder, keys, kek)
        self._mailbox = mailbox
        self._burn = burn

    def destroy(self, reason: str) -> None:
        """Overwrite the wrapped keys, then burn the rows if that was chosen."""
        mark = key_file.Mark(reason, self.kind, burn=self._burn)
        try:
            key_file.destroy(self._folder, mark, lambda _: burn_rows(self._mailbox))
        finally:
            self.close()


def open_otp_guard(folder: Path, keys: key_file.KeyFile | None, mailbox: Mailbox, *, burn: bool) -> OtpGuard:
    """Open the guard of this folder; keys: None makes them. Raises GuardError."""
    with fused_secret(mailbox) as secret:
        if keys is None:
            salt = os.urandom(SALT_BYTES)
            with derived(secret, salt, GuardKind.OTP) as kek:
                keys = new_keys(GuardKind.OTP, salt, kek)
                key_file.create(folder, keys)
        with derived(secret, keys.salt, GuardKind.OTP) as kek:
            return OtpGuard(folder, keys, kek, mailbox, burn=burn)


def fuse_secret(mailbox: Mailbox) -> None:
    """Program a random secret into blank rows, for the life of the board. Raises GuardUnavailable."""
    if not are_blank(mailbox):
        raise GuardUnavailable(
            "the customer OTP rows are in use already; they are only ever programmed when blank"
        )
    with SecretKey.random(4 * ROWS) as secret, secret.view() as view:
        program_rows(mailbox, view)


def probe_rows(mailbox: Mailbox) -> None:
    """Check that the rows hold a secret. Raises GuardUnavailable."""
    fused_secret(mailbox).close()


def burn_rows(mailbox: Mailbox) -> None:
    """Set every bit of the rows. Raises GuardUnavailable when they are locked."""
    program_rows(mailbox, _BURNT)


def are_blank(mailbox: Mailbox) -> bool:
    """Whether nothing was ever programmed into the rows. Raises GuardUnavailable."""
    rows = read_rows(mailbox)
    blank = not any(rows)
    rows[:] = bytes(len(rows))
    return blank


def fused_secret(mailbox: Mailbox) -> SecretKey:
    """Return what the rows hold, for the caller to close. Raises GuardUnavailable when that is no secret."""
    rows = read_rows(mailbox)
    if not any(rows):
        raise GuardUnavailable(
            "the customer OTP rows of this board are blank: program a secret with `aidpost keys fuse` "
            "(it stays for the life of the board)"
        )
    if rows == _BURNT:
        raise GuardUnavailable("the customer OTP rows were burnt: this board cannot guard keys any more")
    return SecretKey.taken_from(rows)
