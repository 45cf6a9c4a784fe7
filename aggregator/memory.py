"""How the C library of the server's process hands out memory."""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3  # mallopt(3)
_LARGE_BYTES = 128 * 1024


def keep_large_blocks_apart() -> None:
    """Give each block from 128 KiB on pages of its own, always.

    A TLS connection has a read buffer of 256 KiB and fills a few kB of it. glibc gives such a block fresh
    pages, which cost nothing until they are written to; but once one was freed it takes them from the heap,
    where they have been written to. Fixing the threshold saved 5 kB for each idle device. Other C libraries
    have no such setting, and need none.
    """
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
