"""Which of the servers that are named is the primary, and how soon one that is silent is given up."""

from __future__ import annotations

import socket
from typing import Any

import asyncpg

from aggregator.store.place import Server
from aggregator.store.postgres.faults import FAULTS

CONNECT_S = 10.0
CONNECT_ONE_OF_SEVERAL_S = 3.0
"""A host without power answers nothing; its address stands before the one of the promoted standby."""
SILENCE_S = 10
"""How long a peer that answers no packet is believed to be there, at both ends."""
_PROBE_AFTER_S, _PROBE_EACH_S = 4, 2

SETTINGS = {
    "application_name": "aidpost-aggregator",
    "search_path": "aidpost, pg_catalog",  # the store's own functions stand before those of the server
    "synchronous_commit": "on",
    # A worker that is cut off holds its locks until the server ends its session: two hours by default.
    "tcp_keepalives_idle": str(_PROBE_AFTER_S),
    "tcp_keepalives_interval": str(_PROBE_EACH_S),
    "tcp_keepalives_count": str((SILENCE_S - _PROBE_AFTER_S) // _PROBE_EACH_S),
    "tcp_user_timeout": str(SILENCE_S * 1000),
    # A statement of whoever has gone, or was interrupted, ends too.
    "client_connection_check_interval": f"{SILENCE_S}s",
}
READING = {"default_transaction_read_only": "on"}
WRITING = {"idle_in_transaction_session_timeout": "30s"}
"""A worker that is stopped in the middle holds its locks too; a reader, who may take long, holds none."""


async def connect(server: Server, *, read_only: bool) -> asyncpg.Connection:
    """Return a connection; of several hosts to the first that takes writes. Raises what asyncpg raises.

    asyncpg can go through several hosts itself, with one time for all of them: a silent one uses it up.
    """
    hosts, settings = server.each(), SETTINGS | (READING if read_only else WRITING)
    if len(hosts) == 1:
        return _impatient(await asyncpg.connect(server.dsn, timeout=CONNECT_S, server_settings=settings))
    faults: list[Exception] = []
    for host in hosts:
        try:
            return _impatient(
                await asyncpg.connect(
                    host.dsn,
                    timeout=CONNECT_ONE_OF_SEVERAL_S,
                    server_settings=settings,
                    target_session_attrs="primary",
                )
            )
        except FAULTS as fault:
            faults.append(fault)
    # A server that says what is wrong says more than one that is silent.
    raise next((fault for fault in faults if not isinstance(fault, OSError)), faults[-1])


def _impatient(connection: asyncpg.Connection) -> asyncpg.Connection:
    """Let the kernel end the connection when the server is silent, as it does for the server."""
    peer: Any = connection._transport.get_extra_info("socket")
    if peer is None or peer.family not in (socket.AF_INET, socket.AF_INET6):
        return connection
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_AFTER_S)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_EACH_S)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, (SILENCE_S - _PROBE_AFTER_S) // _PROBE_EACH_S)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_S * 1000)
    return connection
