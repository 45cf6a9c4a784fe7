"""The `otp` guard: the secret is fused into the board, in the Raspberry Pi's customer OTP rows.

The card alone opens nowhere else. Fused bits are never cleared, so destroying overwrites what is on the card;
with `burn` it also sets every bit, after which no earlier copy of the card opens either, and the board is
spent as an `otp` guard.
"""

from __future__ import annotations

import os
from pathlib import Path

from firmware.guard import key_file
from firmware.guard.fuses import burn_rows, fused_secret
from firmware.guard.mailbox import Mailbox
from firmware.guard.wrapped import WrappedGuard, new_keys
from firmware.guard.wrapping import derived
from trust.keys.guard import GuardKind
from trust.keys.secret import SecretKey
from trust.keys.stretching import SALT_BYTES


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
