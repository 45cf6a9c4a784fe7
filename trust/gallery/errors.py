"""Why something of a gallery is not taken; no message holds anything of an entry but its random id."""

from __future__ import annotations


class GalleryError(Exception):
    """Base of the refusals."""


class CardRefused(GalleryError, ValueError):
    """A device's card is damaged, or not signed by the device that it names."""


class RosterRefused(GalleryError, ValueError):
    """A roster is damaged, not by the custodian, older than the known one, or not for this appliance."""


class RosterForked(RosterRefused):
    """A roster is by the custodian, and does not go on from the known one: an older key set made it."""


class ChangeRefused(GalleryError, ValueError):
    """A change is forged, replayed, out of order, or of a device that may not write."""


class EntryRefused(GalleryError, ValueError):
    """A sealed entry does not open: changed, or of another entry, modality, version or gallery."""
