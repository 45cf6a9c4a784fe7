"""Why the custodian's tool does not go on."""

from __future__ import annotations


class CustodianError(Exception):
    """A key set cannot be made, read, opened or changed so; the message says what to do."""
