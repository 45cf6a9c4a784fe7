"""How the appliance opens a gRPC channel, and how it reads the status with which a call ended."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Protocol, Self

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from firmware.uplink.errors import UplinkMisconfigured
from trust.certificates import SERVER_NAME

_STATUS_KEY = "grpc-status-details-bin"
_MAX_PEER_TEXT = 200

OPTIONS: tuple[tuple[str, int], ...] = (
    # A dead link was noticed after 70 s with the keepalive options alone, and 5 s after the ping with
    # ping_timeout_ms.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    # Every connection begins fresh: the back-off is ours, not one that channels share behind our back.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    # A proxy named in the environment must never see what may only reach this machine.
    ("grpc.enable_http_proxy", 0),
    # The largest answer is a desired state: some 30 settings of 4 KiB at most.
    ("grpc.max_receive_message_length", 256 * 1024),
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where the aggregator listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str, *, in_the_clear: bool = False, key: str = "uplink.target") -> Self:
        """Read ``host:port``. Raises UplinkMisconfigured.

        in_the_clear: nothing will be encrypted, so that only this machine's own addresses are taken.
        key: of the configuration, for the message.
        """
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise UplinkMisconfigured(f"`{key}` is {text!r}: write it as host:port, 127.0.0.1:50051")
        if in_the_clear and not _is_loopback(host):
            raise UplinkMisconfigured(
                f"`uplink.target` is {text!r}, another machine, and `uplink.insecure_loopback` is for this "
                "one alone: leave it out, and join the aggregator with `aidpost join`"
            )
        return cls(host, int(port))


def open_channel(target: Target, tls: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    """Return a channel of its own; tls: None for a development server on this machine."""
    if tls is None:
        return grpc.aio.insecure_channel(str(target), options=OPTIONS)
    # The server is known by its authority, not by its address, which may be a tunnel's or change.
    options = (*OPTIONS, ("grpc.ssl_target_name_override", SERVER_NAME))
    return grpc.aio.secure_channel(str(target), tls, options=options)


class Dialler(Protocol):
    """Opens channels to the aggregator, and hears what concerns the device's certificate."""

    async def dial(self) -> grpc.aio.Channel:
        """Return a new channel; raises UplinkError."""

    def told_time(self, server_ns: int) -> None:
        """Take the aggregator's clock from a welcome, nanoseconds since 1970."""

    async def refused(self) -> None:
        """Do what can be done after the aggregator called the certificate expired or unknown."""


class InTheClear:
    """The `Dialler` for a development server on this machine: nothing is encrypted, nobody authenticated."""

    def __init__(self, target: Target) -> None:
        self._target = target

    async def dial(self) -> grpc.aio.Channel:
        """Return a new channel."""
        return open_channel(self._target, None)

    def told_time(self, server_ns: int) -> None:
        """There is no certificate that could end."""

    async def refused(self) -> None:
        """There is no certificate that could be renewed."""


def retry_delay_s(metadata: grpc.aio.Metadata | None) -> float | None:
    """Return the delay of google.rpc.RetryInfo in a call's trailing metadata, None where there is none."""
    retry = RetryInfo()
    if not _found(metadata, retry):
        return None
    return float(retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9)


def error_reason(metadata: grpc.aio.Metadata | None) -> str:
    """Return the reason of google.rpc.ErrorInfo in a call's trailing metadata, empty where there is none."""
    info = ErrorInfo()
    return cleaned(info.reason) if _found(metadata, info) else ""


def cleaned(text: str | None) -> str:
    """Return a peer's text fit for a log: printable characters of one line, at most 200."""
    return "".join(c if c.isprintable() else " " for c in (text or "")[:_MAX_PEER_TEXT]).strip()


def _found(metadata: grpc.aio.Metadata | None, wanted: Message) -> bool:
    """Fill in the detail of this kind from the status, and tell whether there was one."""
    for name, value in metadata or ():
        if name != _STATUS_KEY or not isinstance(value, bytes):
            continue
        try:
            details = Status.FromString(value).details
            return any(detail.Is(wanted.DESCRIPTOR) and detail.Unpack(wanted) for detail in details)
        except DecodeError:
            return False
    return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
