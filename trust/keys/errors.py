"""Faults of a key guard; every message says what to do next."""

from __future__ import annotations


class GuardError(Exception):
    """Base of the faults of a key guard."""


class GuardUnavailable(GuardError, OSError):
    """What holds the keys cannot be reached: no TPM, no mailbox, an unreadable file, no lockable memory."""


class GuardMisconfigured(GuardError, ValueError):
    """The configuration names another guard than the one that made these keys."""


class KeysMissing(GuardError, LookupError):
    """There is a store, and its keys are not here."""


class KeysDamaged(GuardError, ValueError):
    """The keys do not open: the file was changed, or it belongs to another card, board or TPM."""


class KeysDestroyed(GuardError, RuntimeError):
    """The keys were destroyed on purpose; what they protected stays closed for good."""


class PinRefused(GuardError, PermissionError):
    """The PIN was wrong, or too many were tried just now."""
