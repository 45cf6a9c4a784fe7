"""Files that commands write: tried before a long run, never over one that is there, one fault at a time.

One rule for all of them: a file that somebody names is a new one; what is there stays as it is. Pipes and
devices, such as /dev/stdout, are written to. In a folder that somebody names, files of the command's own
names are replaced.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

_DEVICES = (Path("/dev"), Path("/dev/fd"))


def try_file(file: Path) -> None:
    """Make sure that a new file can be written, and make its folder. Raises click.ClickException."""
    with _explained(file):
        if file.exists() or file.is_symlink():
            refuse_existing(file)
            mode = file.stat().st_mode
            if not stat.S_ISFIFO(mode):  # opening one would wait for its reader
                with file.open("ab", buffering=0) as there:
                    if stat.S_ISCHR(mode):
                        there.write(b"\n")  # /dev/full opens, and refuses what is written
            return
    try_folder(file.parent)


def refuse_existing(file: Path) -> None:
    """Raise click.ClickException where a file is there, or a link to nowhere; pipes and devices may be."""
    if file.absolute().parent in _DEVICES:  # /dev/stdout is a file where the shell sends it to one
        return
    if file.is_file() or (file.is_symlink() and not file.exists()):
        raise click.ClickException(f"{file} is there already: name a new file")


def write_new(file: Path, content: bytes, *, private: bool = False) -> None:
    """Write a new file whole or not at all; private: for its owner alone. Raises click.ClickException."""
    refuse_existing(file)
    made = not file.exists()
    flags = os.O_WRONLY | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if made else 0)
    try:
        with os.fdopen(os.open(file, flags, 0o600 if private else 0o666), "wb") as out:
            try:
                out.write(content)
                out.flush()
            except OSError:
                if made:
                    file.unlink()  # half of it, on a full disk, would pass for the whole
                raise
    except FileExistsError as fault:
        raise click.ClickException(f"{file} is there already: name a new file") from fault
    except OSError as fault:
        raise click.ClickException(f"{file} cannot be written: {fault.strerror or fault}") from fault


def try_folder(folder: Path) -> None:
    """Make a folder, and make sure that files can be made in it. Raises click.ClickException."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise click.ClickException(f"{folder} cannot be made: {fault.strerror}") from fault
    with _explained(folder), tempfile.TemporaryFile(dir=folder, buffering=0) as trial:
        trial.write(b"\n")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise click.ClickException(f"{path} cannot be written: {fault.strerror or fault}") from fault


class Writes:
    """Writes one output after the other; those that fail are named at the end."""

    def __init__(self) -> None:
        self._faults: list[str] = []

    @contextmanager
    def to(self, path: Path) -> Iterator[None]:
        """Go on after an OSError, and remember it."""
        try:
            yield
        except OSError as fault:
            self._faults.append(f"{path} cannot be written: {fault.strerror or fault}")

    def file(self, path: Path, content: bytes) -> None:
        """Write a new file; a fault is remembered."""
        try:
            write_new(path, content)
        except click.ClickException as fault:
            self._faults.append(fault.message)

    def finish(self) -> None:
        """Raise click.ClickException when any output was not written."""
        if self._faults:
            raise click.ClickException("; ".join(self._faults))
