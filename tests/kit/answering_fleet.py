"""A FleetService over mutual TLS that answers as the test says, and remembers what it was asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from aggregator.authority import Authority
from aggregator.credential import write_credential
from aidpost.client import Credential
from aidpost.v1 import fleet_pb2
from trust import certificates
from trust.checking import read_request
from trust.names import PersonName, Role

SERVICE = fleet_pb2.DESCRIPTOR.services_by_name["FleetService"]


@dataclass(frozen=True, slots=True)
class Refuses:
    """An answer that is none: the call ends with this status and these details."""

    code: grpc.StatusCode
    message: str = "refused"
    details: tuple[Message, ...] = ()


@dataclass(slots=True)
class AnsweringFleet:
    """answers: what each call gives next, by name; the last one stays. Without one, an empty answer."""

    target: str = ""
    credential: Path = Path()
    asked: list[tuple[str, Any]] = field(default_factory=list)
    answers: dict[str, list[Message | Refuses]] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Return the names of the calls that came, in order."""
        return [name for name, _ in self.asked]

    def shown(self) -> Credential:
        return Credential.read(self.credential)


@contextmanager
def answering_fleet(folder: Path) -> Iterator[AnsweringFleet]:
    """Serve until the end of the block; folder: for the authority and the caller's credential."""
    authority = Authority.create(folder / "identity")
    fleet = AnsweringFleet(credential=folder / "clinic.pem")
    _write_credential(authority, fleet.credential)
    pem = (folder / "identity" / "server.pem").read_bytes()
    end = b"-----END PRIVATE KEY-----\n"
    key, _, chain = pem.partition(end)
    tls = grpc.ssl_server_credentials(
        [(key + end, chain)], certificates.to_pem(authority.certificate), require_client_auth=True
    )
    server = grpc.server(ThreadPoolExecutor(4))
    handlers = {method.name: _handler(fleet, method) for method in SERVICE.methods}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE.full_name, handlers),))
    fleet.target = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', tls)}"
    server.start()
    try:
        yield fleet
    finally:
        server.stop(None).wait()


def _write_credential(authority: Authority, path: Path) -> None:
    key = certificates.new_key()
    request = certificates.make_request(PersonName("root", Role.ADMINISTRATOR), key)
    made = authority.issue(read_request(certificates.to_der(request)), time.time_ns())
    write_credential(
        path,
        certificates.key_to_pem(key),
        certificates.to_pem(certificates.from_der(made.der)),
        certificates.to_pem(authority.certificate),
    )


def _handler(fleet: AnsweringFleet, method: Any) -> grpc.RpcMethodHandler[Any, Any]:
    request_class = message_factory.GetMessageClass(method.input_type)
    answer_class = message_factory.GetMessageClass(method.output_type)

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        asked = list(request) if method.client_streaming else request
        fleet.asked.append((method.name, asked))
        prepared = fleet.answers.get(method.name, [answer_class()])
        given = prepared.pop(0) if len(prepared) > 1 else prepared[0]
        if isinstance(given, Refuses):
            _refuse(given, context)
        return given

    def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield answer(request, context)

    make: Callable[..., grpc.RpcMethodHandler[Any, Any]]
    if method.client_streaming:
        make = grpc.stream_unary_rpc_method_handler
    elif method.server_streaming:
        make = grpc.unary_stream_rpc_method_handler
    else:
        make = grpc.unary_unary_rpc_method_handler
    return make(
        stream if method.server_streaming else answer,
        request_class.FromString,
        answer_class.SerializeToString,
    )


def _refuse(refuses: Refuses, context: grpc.ServicerContext) -> None:
    status = Status(code=refuses.code.value[0], message=refuses.message)
    for detail in refuses.details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(refuses.code, refuses.message)
