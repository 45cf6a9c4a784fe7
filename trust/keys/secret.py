"""A key in memory: locked into RAM, kept out of core dumps and children, overwritten at the end."""

from __future__ import annotations

import ctypes
import errno
import hmac
import mmap
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Never, Self

from trust.keys.errors import GuardUnavailable

_LIBC = ctypes.CDLL(None, use_errno=True)
_MADV_WIPEONFORK = 18  # <linux/mman.h>: a forked child finds zeros; Python's mmap has no name for it


class SecretKey:
    """`size` bytes in a memory page of their own. Close it, or use it as a context manager.

    It has no copy, text or pickled form; `view` is the only way to the bytes. Libraries that take a key
    (OpenSSL, SQLCipher) keep a copy of their own, which is theirs to overwrite.
    """

    _open = False

    def __init__(self, size: int) -> None:
        """Make a key of zeros. Raises GuardUnavailable when the memory cannot be locked."""
        self._size = size
        self._page = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._open = True
        try:
            _lock(self._page)
            self._page.madvise(mmap.MADV_DONTDUMP)
            self._page.madvise(_MADV_WIPEONFORK)
        except OSError as error:
            self._page.close()
            raise GuardUnavailable(
                f"cannot lock memory for keys ({os.strerror(error.errno or errno.EPERM)}); raise the limit: "
                "`ulimit -l 64`, or LimitMEMLOCK=64K in the unit"
            ) from error

    @classmethod
    def random(cls, size: int) -> Self:
        """Return a new key from the kernel's generator."""
        return cls.taken_from(bytearray(secrets.token_bytes(size)))

    @classmethod
    def taken_from(cls, source: bytearray) -> Self:
        """Move the bytes of `source` into a key, and overwrite `source`."""
        try:
            key = cls(len(source))
            with key.view() as view:
                view[:] = source
        finally:
            source[:] = bytes(len(source))
        return key

    def copy(self) -> SecretKey:
        """Return a second key of the same bytes, to be closed on its own."""
        other = SecretKey(self._size)
        with self.view() as mine, other.view() as theirs:
            theirs[:] = mine
        return other

    @contextmanager
    def view(self) -> Iterator[memoryview]:
        """Lend the bytes, writable, for the duration of the block. Raises ValueError once closed."""
        if not self._open:
            raise ValueError("the key was closed and overwritten")
        with memoryview(self._page) as whole, whole[: self._size] as view:
            yield view

    def close(self) -> None:
        """Overwrite the bytes and give the page back. May be called twice."""
        if self._open:
            self._open = False
            self._page[: self._size] = bytes(self._size)
            self._page.close()

    def __del__(self) -> None:
        self.close()  # for a key that an exception left behind

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretKey):
            return NotImplemented
        with self.view() as mine, other.view() as theirs:
            return hmac.compare_digest(mine, theirs)

    __hash__ = None  # type: ignore[assignment]  # a hash would be a digest of the key

    def __repr__(self) -> str:
        return f"SecretKey({self._size} bytes)"

    def __reduce__(self) -> Never:
        raise TypeError("a key is never pickled")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def _lock(page: mmap.mmap) -> None:
    """Keep the page out of swap; munmap unlocks it."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    if _LIBC.mlock(ctypes.c_void_p(address), ctypes.c_size_t(len(page))) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
