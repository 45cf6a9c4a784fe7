"""Runs a program and says how it failed."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LINES_SHOWN = 12
INSTALL = "bash image-build/image-packages.sh installs what the host needs"


@dataclass
class CommandFailed(Exception):
    """A program ended with an error; `tail` holds the last lines that it wrote."""

    argv: tuple[str, ...]
    code: int
    tail: str

    def __str__(self) -> str:
        return f"`{shlex.join(self.argv)[:200]}` ended with {self.code}:\n{self.tail}"


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    given: bytes | None = None,
    shown: Sequence[str | Path] = (),
) -> bytes:
    """Return what the program wrote to standard output; raises CommandFailed.

    env: added to this process's. given: its standard input, else nothing. shown: what a fault calls it.
    """
    words = tuple(str(word) for word in argv)
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            input=given if given is not None else b"",
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandFailed(words, 127, f"{error.filename} is not there: {INSTALL}") from error
    if done.returncode != 0:
        said = (done.stdout[-4000:] + done.stderr).decode(errors="replace").strip().splitlines()
        raise CommandFailed(
            tuple(str(word) for word in shown or argv), done.returncode, "\n".join(said[-LINES_SHOWN:])
        )
    return done.stdout
