"""What the two ends agree on for bundles that are carried by hand."""

from __future__ import annotations

import hashlib

MAGIC = b"AIDPOST BUNDLE 1\n"
RECEIPT_MAGIC = b"AIDPOST RECEIPT 1\n"
SUFFIX = ".aidpost"
RECEIPT_SUFFIX = ".receipt"
MAX_BATCHES = 500
MAX_BUNDLE_BYTES = 32 * 1024 * 1024  # 500 batches of 100 events are about 2.5 MB
MAX_RECEIPT_BYTES = 4096


def signed_part(statement: bytes) -> bytes:
    """Return what the device signs for a statement."""
    return b"aidpost bundle 1\0" + statement


def batch_digest(batch: bytes) -> bytes:
    """Return what the statement says of a batch as serialized."""
    return hashlib.sha256(batch).digest()
