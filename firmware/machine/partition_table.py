"""The card's partition table (GPT, UEFI 2.10, 5.3): its last partition grows to the end of the card.

The kernel reads the table at the start of the card alone: a header, and entries whose checksum is in the
header. Written in place, as by sfdisk, a power cut between the two leaves a card without partitions. So the
new entries go beside the old ones, and the header, one sector, changes over to them; then back to the usual
place.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias
from zlib import crc32

SECTOR_BYTES = 512
_HEADER = struct.Struct("<8s4sII4xQQQQ16sQIII")
_SIGNATURE = b"EFI PART"
_ENTRY_BYTES = 128
_SPAN, _SPAN_AT = struct.Struct("<QQ"), 32  # of an entry: its first and its last sector
_ARRAY_SECTORS = 32
_ARRAY_BYTES = _ARRAY_SECTORS * SECTOR_BYTES
_USUAL, _SPARE = 2, 34
_ALIGNMENT = 2048

Write: TypeAlias = Callable[[int, int, bytes], None]
"""Puts bytes at a sector of an open disk, on the card when it returns: (descriptor, sector, content)."""


class TableNotUnderstood(Exception):
    """It is not such a table as the image has; nothing was written."""


def write_sectors(descriptor: int, sector: int, content: bytes) -> None:
    """Write through to the card. Raises OSError."""
    os.pwrite(descriptor, content, sector * SECTOR_BYTES)
    os.fsync(descriptor)


@dataclass(frozen=True, slots=True)
class _Header:
    """All places in sectors. copy: of the other header. entries: where this header's entries begin."""

    revision: bytes
    here: int
    copy: int
    first_usable: int
    last_usable: int
    disk: bytes
    entries: int
    array_crc: int

    @classmethod
    def of(cls, raw: bytes) -> _Header:
        fields = _HEADER.unpack_from(raw)
        signature, revision, size, checksum, here, copy, first, last, disk, entries, count, each, array = (
            fields
        )
        blank = raw[:16] + bytes(4) + raw[20 : _HEADER.size]
        sound = signature == _SIGNATURE and size == _HEADER.size and crc32(blank) == checksum and here == 1
        if not sound or count * each != _ARRAY_BYTES or each != _ENTRY_BYTES:
            raise TableNotUnderstood("the header of the partition table is damaged, or of another form")
        return cls(revision, here, copy, first, last, disk, entries, array)

    def raw(self) -> bytes:
        """Return the sector."""
        count = _ARRAY_BYTES // _ENTRY_BYTES
        places = (self.here, self.copy, self.first_usable, self.last_usable, self.disk, self.entries)
        fields = (*places, count, _ENTRY_BYTES, self.array_crc)
        blank = _HEADER.pack(_SIGNATURE, self.revision, _HEADER.size, 0, *fields)
        return _HEADER.pack(_SIGNATURE, self.revision, _HEADER.size, crc32(blank), *fields).ljust(
            SECTOR_BYTES, b"\0"
        )


@contextmanager
def held(disk: Path) -> Iterator[int]:
    """Open a disk, a block device or a file, and give its descriptor. Raises OSError.

    Until it is closed again udev does not read the table anew (systemd.io/BLOCK_DEVICE_LOCKING): it would
    take away each partition that nobody uses, and give it back.
    """
    descriptor = os.open(disk, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def grow_last(descriptor: int, number: int, write: Write = write_sectors) -> int:
    """Let partition `number` reach to the end of its disk; returns how many sectors it has then.

    It never becomes smaller, and stays as it is if another one lies behind it. What was begun by a start
    that lost power is ended. Raises TableNotUnderstood, OSError.
    """
    sectors = os.lseek(descriptor, 0, os.SEEK_END) // SECTOR_BYTES
    header = _Header.of(os.pread(descriptor, SECTOR_BYTES, SECTOR_BYTES))
    entries = bytearray(os.pread(descriptor, _ARRAY_BYTES, header.entries * SECTOR_BYTES))
    if crc32(entries) != header.array_crc:
        raise TableNotUnderstood("the partition table does not fit its checksum")
    if header.entries not in (_USUAL, _SPARE) or header.first_usable < _SPARE + _ARRAY_SECTORS:
        raise TableNotUnderstood("the partition table has no room beside it")
    at = (number - 1) * _ENTRY_BYTES + _SPAN_AT
    first, last = map(int, _SPAN.unpack_from(entries, at))
    behind = any(
        _SPAN.unpack_from(entries, each)[0] > first for each in range(_SPAN_AT, _ARRAY_BYTES, _ENTRY_BYTES)
    )
    end = (sectors - 1 - _ARRAY_SECTORS) // _ALIGNMENT * _ALIGNMENT - 1
    if not behind and end > last:
        last = end
        _SPAN.pack_into(entries, at, first, last)
    elif header.entries == _USUAL:
        return last - first + 1
    _replace(descriptor, header, bytes(entries), sectors, write)
    return last - first + 1


def _replace(descriptor: int, header: _Header, entries: bytes, sectors: int, write: Write) -> None:
    """Write both tables; after each single write the first one is whole."""
    copy = sectors - 1
    array = copy - _ARRAY_SECTORS
    new = replace(header, copy=copy, last_usable=array - 1, array_crc=crc32(entries))
    write(descriptor, array, entries)
    write(descriptor, copy, replace(new, here=copy, copy=1, entries=array).raw())
    for place in (_SPARE, _USUAL) if header.entries == _USUAL else (_USUAL,):
        write(descriptor, place, entries)
        write(descriptor, 1, replace(new, entries=place).raw())
