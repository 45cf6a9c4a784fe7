"""The one way in which a device's bytes are refused."""

from __future__ import annotations


class Malformed(ValueError):
    """A device sent what the protocol does not allow; the message repeats nothing that the device wrote."""
