"""The gate: TLS 1.3 with Python's ssl, who is at the other end, and how many may be; behind it gRPC.

gRPC's own TLS for Python knows neither a lowest version nor optional client certificates, and tells nobody of
a handshake that failed. So the gate ends TLS and hands each connection on through a Unix socket in a private
folder. Its end of that socket has a random name, by which the services ask `Callers` who is there.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
from collections import OrderedDict, deque
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from trust.certificates import to_der
from trust.checking import CertificateRefused, peer_of
from trust.claim import AUTHORITY_PROTOCOL
from trust.names import Named
from trust.tls.address import Address, AddressInUse
from trust.tls.callers import Caller, Callers
from trust.tls.refusals import Refusals
from trust.tls.relay import CLOSE_TIMEOUT_S, End

BACKLOG = 1024
OUT_OF_FILES_PAUSE_S = 0.2
MAX_CONNECTIONS = 4096
LAST_WORDS_S = 0.3  # at the stop, for what the streams said last to leave the buffers


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """What all peers together, and one of them, may have.

    max_handshakes: with more at a time, the oldest is dropped: silence does not keep others out.
    max_anonymous, anonymous_s, anonymous_bytes: of connections without a certificate; they can only join.
    max_of_one: connections of one device or person; the oldest is dropped.
    """

    max_connections: int = MAX_CONNECTIONS
    max_handshakes: int = 128
    handshake_timeout_s: float = 10.0
    max_anonymous: int = 64
    anonymous_s: float = 60.0
    anonymous_bytes: int = 64 * 1024
    max_of_one: int = 4


class Gate:
    """Listens, admits, and relays to the gRPC server at the Unix socket `inner`.

    context: checks what a peer shows against `authority`. A peer that agrees on AUTHORITY_PROTOCOL, where the
    context offers it, is told the authority's certificate and nothing else. shared_port: other processes
    listen there too, and the system gives each its share of the connections.
    """

    def __init__(
        self,
        address: Address,
        context: ssl.SSLContext,
        authority: x509.Certificate,
        inner: Path,
        callers: Callers,
        refusals: Refusals,
        limits: GateLimits,
        *,
        shared_port: bool = False,
    ) -> None:
        self._address = address
        self._authority = authority
        self._context = context
        self._inner = inner
        self._callers = callers
        self._refusals = refusals
        self._limits = limits
        self._shared_port = shared_port
        self._connections: set[asyncio.Task[None]] = set()
        self._handshakes: OrderedDict[asyncio.Task[None], None] = OrderedDict()
        self._of_one: dict[Named | None, deque[asyncio.Task[None]]] = {}
        self._accepting: asyncio.Task[None] | None = None

    async def start(self) -> Address:
        """Listen; return the address with the port that was bound. Raises AddressInUse."""
        family = socket.AF_INET6 if ":" in self._address.host else socket.AF_INET
        try:
            listening = socket.create_server(
                (self._address.host, self._address.port),
                family=family,
                backlog=BACKLOG,
                reuse_port=self._shared_port,
            )
        except OSError as error:
            raise AddressInUse(
                f"cannot listen on {self._address} ({error.strerror}): "
                "stop the program that uses the port, or name another"
            ) from error
        listening.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(listening), name="gate")
        return Address(self._address.host, listening.getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and drop all connections; call it after the gRPC server has ended their streams."""
        if self._accepting is None:
            return
        self._accepting.cancel()
        if self._connections:
            await asyncio.wait(self._connections, timeout=LAST_WORDS_S)
        remaining = [self._accepting, *self._connections]
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listening:
            while True:
                try:
                    accepted, address = await loop.sock_accept(listening)
                except OSError as error:  # out of file descriptors, or a peer that has gone already
                    self._refusals.note("everybody", f"cannot accept: {error.strerror}")
                    await asyncio.sleep(OUT_OF_FILES_PAUSE_S)
                    continue
                if len(self._connections) >= self._limits.max_connections:
                    self._refusals.note(str(address[0]), "too many connections")
                    accepted.close()
                    continue
                task = asyncio.create_task(self._serve(accepted, str(address[0])))
                self._connections.add(task)
                task.add_done_callback(self._connections.discard)

    async def _serve(self, accepted: socket.socket, address: str) -> None:
        front = End()
        try:
            if not await self._greet(accepted, address, front):
                return
            if front.alpn == AUTHORITY_PROTOCOL:
                front.transport.write(to_der(self._authority))
                return
            caller = self._identify(front, address)
            await self._relay(front, caller)
        except CertificateRefused as error:
            self._refusals.note(address, str(error))
        except asyncio.CancelledError:
            front.abort()
            raise
        finally:
            await front.finish()

    async def _greet(self, accepted: socket.socket, address: str, front: End) -> bool:
        """Do the TLS handshake; returns whether there is a connection."""
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("a connection is served by a task")
        if len(self._handshakes) >= self._limits.max_handshakes:
            oldest, _ = self._handshakes.popitem(last=False)
            oldest.cancel()
            self._refusals.note("everybody", "too many handshakes at a time: the oldest are dropped")
        self._handshakes[task] = None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: front,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=self._limits.handshake_timeout_s,
                ssl_shutdown_timeout=CLOSE_TIMEOUT_S,
            )
        except OSError as error:  # ssl.SSLError, a reset, a time-out
            accepted.close()
            self._refusals.note(address, _reason(error))
            return False
        except asyncio.CancelledError:
            accepted.close()
            raise
        finally:
            self._handshakes.pop(task, None)
        return True

    def _identify(self, front: End, address: str) -> Caller:
        leaf = front.certificate
        if leaf is None:
            return Caller(None, address)
        return Caller(peer_of(leaf, self._authority), address)

    async def _relay(self, front: End, caller: Caller) -> None:
        named = caller.peer.named if caller.peer else None
        limit = self._limits.max_of_one if named else self._limits.max_anonymous
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("a connection is served by a task")
        same = self._of_one.setdefault(named, deque())
        if len(same) >= limit:
            same.popleft().cancel()
        same.append(task)
        name = f"aidpost/{secrets.token_hex(16)}"
        inner = socket.socket(socket.AF_UNIX)
        try:
            inner.setblocking(False)
            inner.bind("\0" + name)
            with self._callers.present(f"unix-abstract:{name}", caller):
                back = End()
                front.join(back, None if named else self._limits.anonymous_bytes)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(inner, str(self._inner))
                # gRPC speaks first: what it says may come before this returns.
                await loop.create_unix_connection(lambda: back, sock=inner)
                front.begin()
                try:
                    async with asyncio.timeout(None if named else self._limits.anonymous_s):
                        await front.until_lost()
                finally:
                    await back.finish()
        except OSError:
            pass  # its time is over (a device that asks to join comes again), or the server is stopping
        finally:
            inner.close()
            if task in same:
                same.remove(task)
            if not same:
                self._of_one.pop(named, None)


def _reason(error: OSError) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"certificate refused: {error.verify_message}"
        case ssl.SSLError():
            return f"no TLS 1.3: {(error.reason or 'handshake failed').replace('_', ' ').lower()}"
        case ConnectionAbortedError() | TimeoutError():
            return "the TLS handshake took too long"
        case _:
            return "the connection broke in the TLS handshake"
