"""Files at the end of a long run: tried before it, and written so that one fault does not cost the others."""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click


def try_file(file: Path) -> None:
    """Make sure that a file can be written, and make its folder. Raises click.ClickException."""
    with _explained(file):
        if file.exists():
            mode = file.stat().st_mode
            if not stat.S_ISFIFO(mode):  # opening one would wait for its reader
                with file.open("ab", buffering=0) as there:
                    if stat.S_ISCHR(mode):
                        there.write(b"\n")  # /dev/full opens, and refuses what is written
            return
    try_folder(file.parent)


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

    def finish(self) -> None:
        """Raise click.ClickException when any output was not written."""
        if self._faults:
            raise click.ClickException("; ".join(self._faults))
