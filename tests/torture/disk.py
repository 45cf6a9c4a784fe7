"""A disk that may lose what was not flushed: builds a folder as a power cut leaves it, from an operation log.

`oplog.c`, preloaded into a process, writes the log. Up to the last flush of a file all its writes are kept;
of the later ones any may be missing, and any may be torn at a boundary of 512 bytes. Names are kept up to the
last flush of the folder; of the later changes a beginning of any length, as a file system's journal has it.
That is the way of dm-log-writes and ALICE (Pillai et al., OSDI 2014), for one folder and in user space.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, unique
from pathlib import Path

SOURCE = Path(__file__).with_name("oplog.c")
SECTOR_BYTES = 512
_HEADER = struct.Struct("<IIIIQQQ")


@unique
class Kind(IntEnum):
    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    SYNC = 4
    SYNC_FOLDER = 5
    RENAME = 6
    UNLINK = 7
    LINK = 8


@dataclass(frozen=True, slots=True)
class Operation:
    """One of them, after it was done; at_ns: monotonic. offset: of a write, or the length after TRUNCATE."""

    kind: Kind
    inode: int
    offset: int
    at_ns: int
    name: str
    other: str
    data: bytes


def compiler() -> str | None:
    """Return the C compiler that the layer needs, None where there is none."""
    return shutil.which("cc") or shutil.which("gcc")


def preload(folder: Path) -> Path:
    """Make `folder`, and compile the layer into it."""
    folder.mkdir(parents=True)
    return compile_preload(SOURCE, folder / "oplog.so")


def compile_preload(source: Path, library: Path) -> Path:
    """Compile something for LD_PRELOAD; returns `library`."""
    found = compiler()
    assert found is not None
    subprocess.run([found, "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


def environment(library: Path, watched: Path, log: Path) -> dict[str, str]:
    """Return the environment of a process whose work on `watched` is to be logged."""
    return {
        **os.environ,
        "LD_PRELOAD": str(library),
        "TORTURE_FOLDER": str(watched.resolve()),
        "TORTURE_OPLOG": str(log),
    }


def read(log: Path) -> Iterator[Operation]:
    """Yield what was logged; a killed process may have left the last record unfinished."""
    content = log.read_bytes()
    at = 0
    while at + _HEADER.size <= len(content):
        kind, name, other, data, inode, offset, at_ns = _HEADER.unpack_from(content, at)
        at += _HEADER.size
        ends = (at + name, at + name + other, at + name + other + data)
        if ends[-1] > len(content):
            return
        yield Operation(
            Kind(kind),
            inode,
            offset,
            at_ns,
            content[at : ends[0]].decode(),
            content[ends[0] : ends[1]].decode(),
            content[ends[1] : ends[2]],
        )
        at = ends[2]


@dataclass(eq=False)
class _File:
    flushed: bytearray = field(default_factory=bytearray)
    pending: list[Operation] = field(default_factory=list)

    def flush(self) -> None:
        for operation in self.pending:
            _apply(self.flushed, operation)
        self.pending.clear()

    def after_power_cut(self, rng: random.Random) -> bytes:
        content = bytearray(self.flushed)
        kept = rng.choice((0.0, 0.5, 0.9, 1.0))
        for operation in self.pending:
            if rng.random() < kept:
                _apply(content, operation)
            elif operation.kind is Kind.WRITE and rng.random() < 0.5:
                for start in range(0, len(operation.data), SECTOR_BYTES):
                    if rng.random() < 0.5:
                        part = operation.data[start : start + SECTOR_BYTES]
                        _write(content, operation.offset + start, part)
        return bytes(content)


class Disk:
    """Follows a log; at any point `after_power_cut` may be asked. The folder was empty at the beginning."""

    def __init__(self) -> None:
        self._files: dict[int, _File] = {}
        self._names: dict[str, _File] = {}
        self._flushed_names: dict[str, _File] = {}
        self._pending: list[dict[str, _File]] = []

    def do(self, operation: Operation) -> None:
        match operation.kind:
            case Kind.CREATE:
                self._files[operation.inode] = self._names[operation.name] = _File()
            case Kind.WRITE | Kind.TRUNCATE:
                self._files[operation.inode].pending.append(operation)
            case Kind.SYNC:
                self._files[operation.inode].flush()
            case Kind.SYNC_FOLDER:
                self._flushed_names = dict(self._names)
                self._pending.clear()
            case Kind.RENAME:
                self._names[operation.other] = self._names.pop(operation.name)
            case Kind.LINK:
                self._names[operation.other] = self._names[operation.name]
            case Kind.UNLINK:
                del self._names[operation.name]
        if operation.kind in (Kind.CREATE, Kind.RENAME, Kind.LINK, Kind.UNLINK):
            self._pending.append(dict(self._names))

    def after_power_cut(self, rng: random.Random) -> dict[str, bytes]:
        """Return one of the contents that the folder may have, by name."""
        names = rng.choice([self._flushed_names, *self._pending])
        left = {name: file.after_power_cut(rng) for name, file in names.items()}
        for name in left:
            if name.endswith("-shm"):  # mapped memory: anything may be in it
                left[name] = rng.randbytes(len(left[name]))
        return left


def _apply(content: bytearray, operation: Operation) -> None:
    if operation.kind is Kind.TRUNCATE:
        del content[operation.offset :]
        content.extend(bytes(operation.offset - len(content)))
    else:
        _write(content, operation.offset, operation.data)


def _write(content: bytearray, offset: int, data: bytes) -> None:
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data
