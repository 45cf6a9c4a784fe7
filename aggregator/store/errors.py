"""Faults of the store; each message says what to do next."""

from __future__ import annotations


class StoreError(Exception):
    """Base of all faults of the store."""


class StoreMissing(StoreError, FileNotFoundError):
    """There is no such file."""


class StoreNotOurs(StoreError, ValueError):
    """The file is not an aggregator's store."""


class StoreMoved(StoreError, RuntimeError):
    """What the file held was moved to a server, which alone is the store now; to: where."""

    def __init__(self, message: str, to: str) -> None:
        super().__init__(message)
        self.to = to


class MoveRefused(StoreError, RuntimeError):
    """A store was not moved, and the file is still the store."""


class StoreTooNew(StoreError, RuntimeError):
    """A later version of Aidpost has changed the store's tables."""


class StoreOfAnother(StoreError, RuntimeError):
    """The store is of another authority: its devices trust nobody else."""


class StoreInUse(StoreError, RuntimeError):
    """Another server has the store open for writing."""


class StoreFull(StoreError, OSError):
    """Nothing was stored: the disk or the size allowed to the store is full."""


class StoreUnavailable(StoreError, OSError):
    """Nothing was stored: the store cannot be read or written."""


class StatementRefused(StoreError, RuntimeError):
    """The store is well and does not do this one statement: a defect, or a value that no text may hold."""


class StoreGone(StoreUnavailable):
    """The server does not answer, or was lost meanwhile; what was being committed may be stored."""


class StoreBusy(StoreUnavailable):
    """Two workers wanted the same rows; nothing was stored, and the same can be done again at once."""


class TurnNeeded(Exception):
    """The transaction has to be done again with nobody else writing."""
