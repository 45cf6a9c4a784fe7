"""A TPM 2.0 in software: Debian's swtpm, its state in a folder, switched on and off like a board."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.kit.postgres import free_port


def why_there_is_none() -> str | None:
    """Return what is missing, None when a software TPM can be used."""
    if shutil.which("swtpm") is None:
        return "no swtpm: image-build/tpm-packages.sh installs it"
    try:
        import tpm2_pytss  # noqa: F401
    except ImportError:
        return "no tpm2-pytss: `make tpm-env` installs it"
    return None


@contextmanager
def powered_tpm(state: Path) -> Iterator[str]:
    """Yield the TPM's address as tpm2-tss writes it; the TPM forgets everything but `state` at the end."""
    state.mkdir(exist_ok=True)
    port = _free_pair()
    pid_file = state / "pid"
    # As a daemon: the command returns when the TPM answers.
    subprocess.run(
        [
            *("swtpm", "socket", "--tpm2", "--daemon", "--tpmstate", f"dir={state}"),
            *("--pid", f"file={pid_file}", "--flags", "not-need-init,startup-clear"),
            *("--server", f"type=tcp,port={port}", "--ctrl", f"type=tcp,port={port + 1}"),
        ],
        check=True,
        timeout=20,
    )
    pid = int(pid_file.read_text())
    try:
        yield f"swtpm:host=127.0.0.1,port={port}"
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        with suppress(FileNotFoundError):
            pid_file.unlink()


def _free_pair() -> int:
    """Return a port that is free, as is the next one, where tpm2-tss looks for the control channel."""
    while True:
        port = free_port()
        with suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
            return port
