"""The secret that is fused into a Raspberry Pi: its customer's one-time-programmable rows."""

from __future__ import annotations

from firmware.guard.mailbox import ROWS, Mailbox, program_rows, read_rows
from trust.keys.errors import GuardUnavailable
from trust.keys.secret import SecretKey

_BURNT = b"\xff" * (4 * ROWS)


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
