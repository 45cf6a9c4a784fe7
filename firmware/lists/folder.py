"""The files of lists below a folder, such as a memory stick's: regular ones alone, and no way out of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from firmware.lists.reading import MOST_BYTES
from trust.lists.envelope import SUFFIX

MOST_FILES = 50
_SUFFIXES = (".csv", ".xlsx", SUFFIX)
_DEPTH = 4  # /media/USER/STICK/FOLDER/list.csv
_MOST_ENTRIES = 5_000  # a stick with a photograph library is looked at for a second, not for minutes


def list_files(folder: Path) -> tuple[str, ...]:
    """Return the files that may be lists, by their path below the folder, in order, at most `MOST_FILES`.

    Links are not followed. A folder that is missing or cannot be read has none.
    """
    return files_below(folder, _SUFFIXES)


def files_below(folder: Path, suffixes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the files whose names end like this, as `list_files` does."""
    left = [_MOST_ENTRIES]
    found = [name for name in _walk(folder, "", _DEPTH, left) if name.lower().endswith(suffixes)]
    return tuple(sorted(found)[:MOST_FILES])


def read_below(folder: Path, name: str) -> bytes:
    """Return what the file holds, at most `MOST_BYTES`. Raises OSError, for whatever is no regular file."""
    with open_below(folder, name) as file:
        return file.read(MOST_BYTES)


def open_below(folder: Path, name: str) -> BufferedReader:
    """Open a file to be read. Raises OSError, for whatever is no regular file.

    Each part of the path is opened in the one before it: no link leads out, however late it is put there.
    """
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise FileNotFoundError(name)
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            os.close(at)
            at = inner
        # Without waiting: a pipe in the place of a file would never answer.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.fdopen(os.open(parts[-1], flags, dir_fd=at), "rb")
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise FileNotFoundError(name)
        return file
    finally:
        os.close(at)


def _walk(folder: Path, below: str, depth: int, left: list[int]) -> Iterator[str]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            left[0] -= 1
            if left[0] < 0:
                return
            # What starts with a dot is the system's own; a name in no encoding cannot be shown nor sent back.
            if entry.name.startswith(".") or not _is_text(entry.name):
                continue
            if entry.is_file(follow_symlinks=False):
                yield below + entry.name
            elif depth > 1 and entry.is_dir(follow_symlinks=False):
                yield from _walk(folder / entry.name, f"{below}{entry.name}/", depth - 1, left)


def _is_text(name: str) -> bool:
    # Bytes that are no UTF-8 come as lone surrogates, which nothing prints.
    return name.isprintable()
