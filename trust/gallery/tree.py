"""What a whole gallery hashes to: 256 buckets by the first byte of the entry's id, and a root over them.

Two ends whose roots differ compare the buckets (8 KB) and exchange only those that differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

BUCKETS = 256
HASH_BYTES = 32
ERASED = bytes(HASH_BYTES)
"""In place of the link of an erasure: two appliances may have erased the same entry."""


def buckets(entries: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the hash of each bucket.

    entries: (entry_id, link of its newest change, or ERASED), in any order.
    """
    content: list[list[bytes]] = [[] for _ in range(BUCKETS)]
    for entry_id, link in entries:
        content[entry_id[0]].append(entry_id + link)
    return [hashlib.sha256(b"".join(sorted(each))).digest() for each in content]


def root(bucket_hashes: Iterable[bytes]) -> bytes:
    """Return the hash over the buckets' hashes, in order."""
    return hashlib.sha256(b"aidpost gallery root 1" + b"".join(bucket_hashes)).digest()
