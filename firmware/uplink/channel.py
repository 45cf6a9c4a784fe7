"""How the appliance opens a gRPC channel, and how it reads the status with which a call ended."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Self

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from firmware.uplink.errors import UplinkMisconfigured

_STATUS_KEY = "grpc-status-details-bin"
_MAX_PEER_TEXT = 200

OPTIONS: tuple[tuple[str, int], ...] = (
    # The aggregator allows a ping every 9 s. A dead link was noticed after 70 s with the keepalive options
    # alone, and 5 s after the ping with ping_timeout_ms.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    # Every connection begins fresh: the back-off is ours, not one that channels share behind our back.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    # A proxy named in the environment must never see what may only reach this machine.
    ("grpc.enable_http_proxy", 0),
    # The largest answer, a welcome, has some 30 bytes.
    ("grpc.max_receive_message_length", 64 * 1024),
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where the aggregator listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``host:port``. Raises UplinkMisconfigured, also for an address that is not this machine's."""
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise UplinkMisconfigured(f"`uplink.target` is {text!r}: write it as host:port, 127.0.0.1:50051")
        if not _is_loopback(host):
            raise UplinkMisconfigured(
                f"`uplink.target` is {text!r}, another machine, and this version cannot encrypt its uplink: "
                "run the aggregator on this machine, or lead an SSH tunnel to it and name the tunnel's local "
                "end, 127.0.0.1:port"
            )
        return cls(host, int(port))


def open_channel(target: Target) -> grpc.aio.Channel:
    """Return a channel of its own, in the clear; `Target` let this machine alone through."""
    return grpc.aio.insecure_channel(str(target), options=OPTIONS)


def retry_delay_s(metadata: grpc.aio.Metadata | None) -> float | None:
    """Return the delay of google.rpc.RetryInfo in a call's trailing metadata, None where there is none."""
    for name, value in metadata or ():
        if name == _STATUS_KEY and isinstance(value, bytes):
            return _retry_delay_s(value)
    return None


def cleaned(text: str | None) -> str:
    """Return a peer's text fit for a log: printable characters of one line, at most 200."""
    return "".join(c if c.isprintable() else " " for c in (text or "")[:_MAX_PEER_TEXT]).strip()


def _retry_delay_s(data: bytes) -> float | None:
    retry = RetryInfo()
    try:
        for detail in Status.FromString(data).details:
            if detail.Is(RetryInfo.DESCRIPTOR) and detail.Unpack(retry):
                return float(retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9)
    except DecodeError:
        return None
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
