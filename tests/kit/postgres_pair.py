"""A PostgreSQL primary and its synchronous standby, Debian's, which can be killed, promoted and rebuilt."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from aggregator.store.place import Server
from tests.kit.postgres import PROGRAMS, free_port

USER = "aidpost"
_SETTINGS = {
    "max_connections": "100",
    "shared_buffers": "64MB",
    "wal_keep_size": "256MB",
    "wal_sender_timeout": "5s",
    "wal_receiver_timeout": "5s",
}


@dataclass(frozen=True, slots=True)
class Node:
    """One of the two machines. prefix: a command that executes the one after it, as in its namespace."""

    name: str
    address: str = "127.0.0.1"
    prefix: Sequence[str] = ()
    port: int = field(default_factory=free_port)


class PostgresPair:
    """Two nodes, one of them the primary; `server` names both, and whoever connects finds the primary."""

    def __init__(self, folder: Path, nodes: tuple[Node, Node]) -> None:
        """folder: of the server's own user."""
        self._folder = folder
        self._nodes = nodes
        self.primary, self.standby = nodes

    @property
    def server(self) -> Server:
        hosts = ",".join(f"{node.address}:{node.port}" for node in self._nodes)
        return Server(f"postgresql://{USER}@{hosts}/postgres")

    def start(self) -> None:
        """Make the primary, and a standby that every commit waits for."""
        data = self._data(self.primary)
        self._run(
            self.primary, "initdb", "-D", data, "-U", USER, "--auth=trust", "--encoding=UTF8",
            "--no-locale", "--no-sync",
        )  # fmt: skip
        with (data / "pg_hba.conf").open("a") as file:
            file.write("host all all samenet trust\nhost replication all samenet trust\n")
        self._launch(self.primary)
        self.rebuild()

    def kill_primary(self) -> None:
        """End the primary and all its processes at once, as the loss of its machine does."""
        self._kill(self.primary)

    def caught_up(self) -> Server:
        """Return the standby alone, to be read, after all that it received has been replayed."""
        self._execute(
            self.standby,
            "DO $$ BEGIN FOR attempt IN 1..600 LOOP"
            " IF pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn() THEN RETURN; END IF;"
            " PERFORM pg_sleep(0.05);"
            " END LOOP; RAISE 'the standby does not replay'; END $$",
        )
        return Server(f"postgresql://{USER}@{self.standby.address}:{self.standby.port}/postgres")

    def promote(self) -> None:
        """Make the standby the primary, alone until `rebuild`; returns when it takes writes."""
        self._run(self.standby, "pg_ctl", "-D", self._data(self.standby), "-w", "promote")
        self.primary, self.standby = self.standby, self.primary

    def rebuild(self) -> None:
        """Make the other node a standby of the primary, and let commits wait for it from now on."""
        data, name = self._data(self.standby), self.standby.name
        shutil.rmtree(data, ignore_errors=True)
        source = f"host={self.primary.address} port={self.primary.port} user={USER} application_name={name}"
        self._run(
            self.standby, "pg_basebackup", "-d", source, "-D", data, "--wal-method=stream",
            "--checkpoint=fast", "--no-sync", "--write-recovery-conf",
        )  # fmt: skip
        self._launch(self.standby)
        self._execute(self.primary, f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        self._execute(self.primary, "SELECT pg_reload_conf()")
        self._execute(
            self.primary,
            "DO $$ BEGIN FOR attempt IN 1..600 LOOP"
            " PERFORM pg_stat_clear_snapshot();"
            " IF EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync') THEN RETURN; END IF;"
            " PERFORM pg_sleep(0.05);"
            " END LOOP; RAISE 'the standby does not follow'; END $$",
        )

    def stop(self) -> None:
        for node in self._nodes:
            self._kill(node)

    def _data(self, node: Node) -> Path:
        return self._folder / node.name

    def _execute(self, node: Node, sql: str) -> None:
        self._run(
            node, "psql", "-h", node.address, "-p", node.port, "-U", USER, "-d", "postgres",
            "-X", "-v", "ON_ERROR_STOP=1", "-c", sql,
        )  # fmt: skip

    def _launch(self, node: Node) -> None:
        settings = _SETTINGS | {
            "listen_addresses": node.address,
            "port": str(node.port),
            # A socket's lock file outlives the kill, and stops the next start where its number is in use.
            "unix_socket_directories": "",
        }
        options = " ".join(f"--{name}={value}" for name, value in settings.items())
        log = self._folder / f"{node.name}.log"
        try:
            self._run(node, "pg_ctl", "-D", self._data(node), "-l", log, "-o", options, "-w", "start")
        except RuntimeError as error:
            raise RuntimeError(f"{error}: {log.read_text()[-2000:]}") from error

    def _kill(self, node: Node) -> None:
        with suppress(FileNotFoundError, ProcessLookupError):
            pid = int((self._data(node) / "postmaster.pid").read_text().split()[0])
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            os.kill(pid, signal.SIGKILL)
            for child in children:
                with suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)

    def _run(self, node: Node, program: str, *arguments: object) -> str:
        assert PROGRAMS is not None
        # PostgreSQL does not run as root: Debian's package has a user for it.
        as_user = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
        words = [*node.prefix, *as_user, str(PROGRAMS / program), *map(str, arguments)]
        # To files: pg_ctl leaves a server behind, which would hold a pipe open.
        with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complained:
            done = subprocess.run(words, check=False, stdout=said, stderr=complained, cwd=self._folder)
            said.seek(0)
            complained.seek(0)
            if done.returncode:
                raise RuntimeError(f"{program}: {complained.read()} {said.read()}")
            return said.read()


@contextmanager
def running_pair(nodes: tuple[Node, Node] | None = None) -> Iterator[PostgresPair]:
    """Start both, and stop them at the end; nodes: by default two on loopback."""
    folder = Path(tempfile.mkdtemp(prefix="aidpost-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    pair = PostgresPair(folder, nodes or (Node("db_1"), Node("db_2")))
    try:
        pair.start()
        yield pair
    finally:
        pair.stop()
        shutil.rmtree(folder, ignore_errors=True)
