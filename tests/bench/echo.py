"""The bare stream that ingest is held against: grpc.aio over mutual TLS, each batch answered, nothing done.

Run as ``python -m tests.bench.echo FOLDER``, with an authority's folder; prints its address.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import grpc
import uvloop

from aidpost.v1 import link_pb2
from tests.kit.link_device import METHOD

ACK = link_pb2.ConnectResponse(ack=link_pb2.Ack(seq=1)).SerializeToString()
_KEY_END = b"-----END PRIVATE KEY-----\n"


async def echo(_requests: object, context: Any) -> None:
    """Answer each message with an acknowledgement that was made before."""
    while (await context.read()) is not grpc.aio.EOF:
        await context.write(ACK)


async def serve(identity: Path) -> None:
    """Serve until the process is ended."""
    service, name = METHOD.strip("/").split("/")
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: handler}),))
    key, end, chain = (identity / "server.pem").read_bytes().partition(_KEY_END)
    authority = (identity / "authority.pem").read_bytes()
    tls = grpc.ssl_server_credentials([(key + end, chain)], authority, require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", tls)
    await server.start()
    sys.stdout.write(f"127.0.0.1:{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Path(sys.argv[1])))
