"""Faults of the store; every message says what to do next."""

from __future__ import annotations


class StoreError(Exception):
    """Base of the faults of the store."""


class StoreFull(StoreError, OSError):
    """There is no space left; nothing of the refused change was written."""


class StoreDamaged(StoreError, ValueError):
    """Some of the contents are not what was written."""


class StoreKeyWrong(StoreError, ValueError):
    """Keys and store do not belong together, or nothing of the file is left."""


class EntryKeysMissing(StoreError, LookupError):
    """The file beside the store does not hold the keys of its entries."""


class StoreNotEncrypted(StoreError, ValueError):
    """The file is a plain SQLite database."""


class StoreNewer(StoreError, RuntimeError):
    """The store was last written by a newer version of Aidpost."""


class StoreBusy(StoreError, OSError):
    """Another process holds the store."""


class BackupRefused(StoreError, ValueError):
    """A backup cannot be written there, or this file cannot be restored."""


class PurposeRefused(StoreError, PermissionError):
    """The gallery serves one purpose and one site, and was asked for another."""


class OtherDevice(StoreError, PermissionError):
    """The store belongs to a device of another name."""


class NeverGiven(StoreError, ValueError):
    """An acknowledgement names a sequence number that this store has not given."""


class ListRefused(StoreError, ValueError):
    """This list cannot be taken up now, or there is none to work with."""


class SessionUnderWay(StoreError, RuntimeError):
    """A person is being served, or was and is not written down yet: the day is closed afterwards."""


class AlreadyCollected(StoreError, ValueError):
    """The household collected in this cycle at this appliance: a second hand-over has no place to go."""


class LossCapReached(StoreError, ValueError):
    """Each hand-over that the signed loss cap allows was made."""


class StaffRefused(StoreError, ValueError):
    """The register of staff cannot be changed like that."""


class PolicyWentBack(StoreError, ValueError):
    """An older edition of the data policy than the one that was in force."""
