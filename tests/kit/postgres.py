"""A real PostgreSQL server, Debian's, in a folder of its own on a free port, as long as a block lasts."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aggregator.store.database import open_writer
from aggregator.store.place import Server

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
"""Of the newest version that is installed, None where there is none."""

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "shared_buffers": "64MB",
}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server; `user` is its superuser and asks for no password on loopback."""

    port: int
    folder: Path
    user: str = "aidpost"
    _made: list[str] = field(default_factory=list)

    def dsn(self, database: str = "postgres") -> str:
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{database}"

    def new_database(self, name: str, *, like: str = "template1") -> Server:
        """Make a database like another, an empty one by default, and return where it is."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", self.user, "-T", like, name)
        return Server(self.dsn(name))

    def new_store(self, name: str) -> Server:
        """Make a database that has the store's tables, as a copy of one that was migrated."""
        if not self._made:
            with open_writer(self.new_database("tables"), None):
                self._made.append("tables")
        return self.new_database(name, like=self._made[0])

    def _run(self, program: str, *arguments: str) -> None:
        assert PROGRAMS is not None
        subprocess.run([PROGRAMS / program, *arguments], check=True, capture_output=True)


@contextmanager
def running_postgres(settings: dict[str, str] | None = None) -> Iterator[PostgresServer]:
    """Start a server, and stop it at the end; settings: of postgresql.conf beside the kit's own."""
    assert PROGRAMS is not None
    folder = Path(tempfile.mkdtemp(prefix="aidpost-postgres-"))
    # PostgreSQL does not run as root: Debian's package has a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    data, port = folder / "data", free_port()
    options = {**_SETTINGS, **(settings or {}), "port": str(port), "unix_socket_directories": str(folder)}

    def run(*command: object) -> None:
        subprocess.run(
            [str(part) for part in command], check=True, capture_output=True, user=user, cwd=folder
        )

    try:
        run(
            PROGRAMS / "initdb", "-D", data, "-U", "aidpost", "--auth=trust", "--encoding=UTF8",
            "--no-locale", "--no-sync",
        )  # fmt: skip
        with (data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in options.items())
        run(PROGRAMS / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "start")
        try:
            yield PostgresServer(port, folder)
        finally:
            run(PROGRAMS / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
        return port
