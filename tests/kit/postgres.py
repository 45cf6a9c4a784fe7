"""A real PostgreSQL server, Debian's, in a folder of its own on a free port, as long as a block lasts."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aggregator.store.database import open_writer
from aggregator.store.place import Server
from tests.kit.aggregator_fixture import apart

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
"""Of the newest version that is installed, None where there is none."""

# PostgreSQL does not run as root: Debian's package has a user for it.
_USER = "postgres" if os.geteuid() == 0 else None
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

    def new_database(self, name: str, *, like: str = "template1", disk: Path | None = None) -> Server:
        """Make a database like another, an empty one by default, and return where it is.

        disk: a folder of the server's user that its tables lie in.
        """
        where: tuple[str, ...] = ()
        if disk is not None:
            self.run_sql(f"CREATE TABLESPACE {name}_disk LOCATION '{disk}'")
            where = ("-D", f"{name}_disk")
        self._run("createdb", *self._here(), *where, "-T", like, name)
        return Server(self.dsn(name))

    def run_sql(self, statement: str, database: str = "postgres") -> None:
        """Do a statement as the superuser."""
        self._run("psql", *self._here(), "-d", database, "-q", "-v", "ON_ERROR_STOP=1", "-c", statement)

    def kill(self) -> None:
        """End all of its processes at once: what it has only in memory is lost."""
        _run_there(self.folder, "pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")

    def start(self) -> None:
        """Start it again, which goes through its log; returns when it takes connections."""
        log = self.folder / "log"
        _run_there(self.folder, "pg_ctl", "-D", self.folder / "data", "-l", log, "-w", "start")

    def _here(self) -> tuple[str, ...]:
        return ("-h", "127.0.0.1", "-p", str(self.port), "-U", self.user)

    def new_store(self, name: str) -> Server:
        """Make a database that has the store's tables, as a copy of one that was migrated."""
        if not self._made:
            apart(partial(_migrate, self.new_database("tables")))
            self._made.append("tables")
        return self.new_database(name, like=self._made[0])

    def _run(self, program: str, *arguments: str) -> None:
        assert PROGRAMS is not None
        subprocess.run([PROGRAMS / program, *arguments], check=True, capture_output=True)


def _migrate(store: Server) -> None:
    with open_writer(store, None):
        pass


@contextmanager
def running_postgres(settings: dict[str, str] | None = None) -> Iterator[PostgresServer]:
    """Start a server, and stop it at the end; settings: of postgresql.conf beside the kit's own.

    In them FOLDER stands for the server's own, which lasts as long.
    """
    assert PROGRAMS is not None
    with _folder() as folder:
        _run_there(
            folder, "initdb", "-D", folder / "data", "-U", "aidpost", "--auth=trust", "--encoding=UTF8",
            "--no-locale", "--no-sync",
        )  # fmt: skip
        with _started(folder, {**_SETTINGS, **(settings or {})}) as server:
            yield server


@contextmanager
def restored_postgres(copied: PostgresServer, archive: Path, until: str) -> Iterator[PostgresServer]:
    """Restore the copy that `copy_of` made, to a time as PostgreSQL writes it, from the archived log."""
    with _folder() as folder:
        _run_there(folder, "cp", "-a", copied.folder / "copy", folder / "data")
        _run_there(folder, "touch", folder / "data" / "recovery.signal")
        settings = {
            "archive_mode": "off",
            "restore_command": f"cp {archive}/%f %p",
            "recovery_target_time": until,
            "recovery_target_action": "promote",
        }
        with _started(folder, settings) as server:
            asking = ("-h", "127.0.0.1", "-p", server.port, "-U", server.user, "-tAc")
            while _run_there(folder, "psql", *asking, "SELECT pg_is_in_recovery()", "postgres") != "f":
                pass  # psql waits long enough
            yield server


def copy_of(server: PostgresServer) -> None:
    """Take a base backup of a running server, as its folder's `copy`."""
    _run_there(
        server.folder, "pg_basebackup", "-h", "127.0.0.1", "-p", server.port, "-U", server.user,
        "-D", server.folder / "copy", "--checkpoint=fast", "--wal-method=none",
    )  # fmt: skip


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="aidpost-postgres-"))
    if _USER is not None:
        shutil.chown(folder, _USER)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _started(folder: Path, settings: dict[str, str]) -> Iterator[PostgresServer]:
    data, port = folder / "data", free_port()
    options = {**settings, "port": str(port), "unix_socket_directories": "FOLDER"}
    with (data / "postgresql.conf").open("a") as file:
        file.writelines(
            f"{name} = '{value.replace('FOLDER', str(folder))}'\n" for name, value in options.items()
        )
    _run_there(folder, "pg_ctl", "-D", data, "-l", folder / "log", "-w", "start")
    try:
        yield PostgresServer(port, folder)
    finally:
        _run_there(folder, "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def _run_there(folder: Path, program: str, *arguments: object) -> str:
    assert PROGRAMS is not None
    own = PROGRAMS / program
    command = [str(part) for part in (own if own.exists() else program, *arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, user=_USER, cwd=folder)
    return done.stdout.strip()


def free_port() -> int:
    """Return a port of loopback that nobody has.

    It is below those that Linux gives to whoever asks for any, so that no other test is given it before the
    server takes it.
    """
    while True:
        port = 10_000 + secrets.randbelow(32_768 - 10_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
