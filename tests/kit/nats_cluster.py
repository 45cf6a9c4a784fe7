"""Three NATS servers, Debian's, as one cluster; each can be killed and started again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.kit.nats import NatsServer
from tests.kit.postgres import free_port


@dataclass(frozen=True, slots=True)
class NatsNode:
    """Where one server is. prefix: a command that executes the one after it, as in its namespace."""

    name: str
    address: str = "127.0.0.1"
    prefix: Sequence[str] = ()


@contextmanager
def running_cluster(nodes: Sequence[NatsNode] | None = None) -> Iterator[dict[str, NatsServer]]:
    """Start all, each of which knows the others, and stop them; yields them by name.

    nodes: by default three on loopback.
    """
    nodes = nodes or [NatsNode(f"nats-{number}") for number in (1, 2, 3)]
    routes = {node.name: f"nats://{node.address}:{free_port()}" for node in nodes}
    servers = {
        node.name: NatsServer(
            free_port(),
            (
                "--name", node.name, "--cluster_name", "aidpost", "--no_advertise",
                "--cluster", routes[node.name],
                "--routes", ",".join(route for name, route in routes.items() if name != node.name),
            ),
            node.address,
            node.prefix,
        )
        for node in nodes
    }  # fmt: skip
    try:
        for server in servers.values():
            server.start()
        yield servers
    finally:
        for server in servers.values():
            server.stop()
