"""Why a stream ends, and how the device is told."""

from __future__ import annotations

import random

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo

from aggregator.link.refusing import Refused
from aggregator.malformed import Malformed
from aggregator.store.errors import StatementRefused, StoreError, StoreFull
from aggregator.store.identities import Standing

RETRY_FULL_S = 60  # a person has to make room
RETRY_UNAVAILABLE_S = 5
RETRY_SHUT_OUT_S = 600  # a person has to decide; the device still notices within ten minutes
RETRY_STOPPING_S = 1  # a restart takes about that long
RETURNS_PER_S = 100  # handshakes that the other workers, or the next process, do without making anybody wait


class LinkEnded(Refused):
    """The stream ends with this status; retry_s: when to try again, None to leave that to the device."""

    def __init__(self, code: grpc.StatusCode, message: str, retry_s: float | None = None) -> None:
        details = () if retry_s is None else (RetryInfo(retry_delay=_duration(retry_s)),)
        super().__init__(code, message, *details)
        self.retry_s = retry_s


def barred(standing: Standing) -> LinkEnded:
    """The certificate is not, or no longer, good."""
    match standing:
        case Standing.EXPIRED:
            return LinkEnded(grpc.StatusCode.UNAUTHENTICATED, "the certificate has expired: join again")
        case Standing.UNKNOWN:
            return LinkEnded(grpc.StatusCode.UNAUTHENTICATED, "the certificate is not known here: join again")
        case Standing.HELD:
            return held()
        case Standing.REVOKED | Standing.GOOD:
            return revoked()


def certificate_ended() -> LinkEnded:
    """The certificate that the stream was opened with has ended; the device may have the next one already."""
    return LinkEnded(grpc.StatusCode.ABORTED, "the certificate of this stream has ended: connect again")


def revoked() -> LinkEnded:
    """An operator has shut the caller out."""
    return LinkEnded(
        grpc.StatusCode.PERMISSION_DENIED, "this certificate was revoked by an operator", RETRY_SHUT_OUT_S
    )


def held() -> LinkEnded:
    """There are two of this device, and an operator has to say which one it is."""
    return LinkEnded(
        grpc.StatusCode.PERMISSION_DENIED,
        "this device was seen twice, as a copied or restored card is: both wait for an operator",
        RETRY_SHUT_OUT_S,
    )


def other_device() -> LinkEnded:
    """The hello names another device or site than the certificate."""
    return LinkEnded(
        grpc.StatusCode.PERMISSION_DENIED, "the hello names another device or site than the certificate"
    )


def malformed(error: Malformed) -> LinkEnded:
    """The device broke the protocol: trying again does not help."""
    return LinkEnded(grpc.StatusCode.INVALID_ARGUMENT, str(error))


def superseded() -> LinkEnded:
    """A newer connection of the same device has taken over."""
    return LinkEnded(grpc.StatusCode.ABORTED, "a newer connection of this device took over")


def stopping(others: int, rng: random.Random) -> LinkEnded:
    """The server is being stopped; others: that many streams end with this one, and all come back spread."""
    retry_s = RETRY_STOPPING_S + rng.uniform(0, others / RETURNS_PER_S)
    return LinkEnded(grpc.StatusCode.UNAVAILABLE, "the aggregator is stopping", retry_s)


def _duration(seconds: float) -> Duration:
    return Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))


def outbox_behind(held_seq: int) -> LinkEnded:
    """The outbox would give numbers again that are held."""
    return LinkEnded(
        grpc.StatusCode.FAILED_PRECONDITION,
        f"this epoch is held up to {held_seq}, which the outbox has not given yet: "
        "the card was copied or restored; report under a new epoch",
    )


def conflicting(seqs: tuple[int, ...]) -> LinkEnded:
    """Numbers came with other content than what is held."""
    return LinkEnded(
        grpc.StatusCode.FAILED_PRECONDITION,
        f"{len(seqs)} sequence number(s) from {seqs[0]} on are held with other content: "
        "the card was copied or is damaged; report under a new epoch",
    )


def not_stored(error: StoreError) -> LinkEnded:
    """Nothing was stored: the device keeps what was not acknowledged and tries again."""
    if isinstance(error, StoreFull):
        return LinkEnded(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "the aggregator's store is full; nothing was stored",
            RETRY_FULL_S,
        )
    if isinstance(error, StatementRefused):
        return LinkEnded(
            grpc.StatusCode.INTERNAL,
            "the aggregator's store refused this; nothing was stored, and the server's log says more",
            RETRY_FULL_S,
        )
    return LinkEnded(
        grpc.StatusCode.UNAVAILABLE,
        "the aggregator's store cannot be used; nothing was stored",
        RETRY_UNAVAILABLE_S,
    )
