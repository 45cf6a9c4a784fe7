"""Three NATS servers, Debian's, as one cluster; each can be killed and started again."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.kit.postgres import free_port

PROGRAM = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
"""None where there is none."""
START_TIMEOUT_S = 60.0


@dataclass(slots=True)
class NatsNode:
    """One server. prefix: a command that executes the one after it, as in its namespace."""

    name: str
    address: str = "127.0.0.1"
    prefix: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    route_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None


class NatsCluster:
    """The servers, each of which knows all the others."""

    def __init__(self, folder: Path, nodes: list[NatsNode]) -> None:
        self.folder = folder
        self.nodes = nodes

    @property
    def urls(self) -> list[str]:
        """One of each server, as `--bus` takes them."""
        return [f"nats://{node.address}:{node.port}" for node in self.nodes]

    def start(self, node: NatsNode) -> None:
        """Start one; returns when it listens."""
        assert PROGRAM is not None
        routes = ",".join(
            f"nats://{other.address}:{other.route_port}" for other in self.nodes if other is not node
        )
        with (self.folder / f"{node.name}.log").open("ab") as log:
            node.process = subprocess.Popen(
                [
                    *node.prefix, PROGRAM, "--name", node.name, "--addr", node.address,
                    "--port", str(node.port), "--cluster_name", "aidpost", "--no_advertise",
                    "--cluster", f"nats://{node.address}:{node.route_port}", "--routes", routes,
                ],
                stdout=log,
                stderr=log,
            )  # fmt: skip

    def wait(self, node: NatsNode) -> None:
        """Wait until a server says that it is ready, in the log of its latest life."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        log = self.folder / f"{node.name}.log"
        while b"Server is ready" not in log.read_bytes().rpartition(b"Starting nats-server")[2]:
            if time.monotonic() > deadline_s:
                raise TimeoutError(log.read_text())
            time.sleep(0.02)

    def kill(self, node: NatsNode) -> None:
        """End one at once, as the loss of its machine does."""
        if node.process is not None:
            node.process.kill()
            node.process.wait()
            node.process = None


@contextmanager
def running_cluster(folder: Path, nodes: list[NatsNode] | None = None) -> Iterator[NatsCluster]:
    """Start all, and stop them at the end; nodes: by default three on loopback."""
    cluster = NatsCluster(folder, nodes or [NatsNode(f"nats-{number}") for number in (1, 2, 3)])
    try:
        for node in cluster.nodes:
            cluster.start(node)
        for node in cluster.nodes:
            cluster.wait(node)
        yield cluster
    finally:
        for node in cluster.nodes:
            cluster.kill(node)
