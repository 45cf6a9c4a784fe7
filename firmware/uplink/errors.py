"""Why the uplink is down; every message says what to do next, and none repeats bytes of a peer unchecked."""

from __future__ import annotations


class UplinkError(Exception):
    """Base of the uplink's faults."""


class UplinkMisconfigured(UplinkError, ValueError):
    """The address cannot be used: it is no address, or records would travel in the clear."""


class JoinRefused(UplinkError, PermissionError):
    """The aggregator does not let this device join or renew; the message says what to do.

    reason: where the claim code is to blame, as `enrolment.proto` names it; else empty.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class WrongAggregator(UplinkError, ConnectionError):
    """What answers is not the aggregator that the claim code is of."""


class IdentityDamaged(UplinkError, ValueError):
    """The file with the device's certificate cannot be used."""


class LinkLost(UplinkError, ConnectionError):
    """The aggregator cannot be reached, or ended the stream.

    retry_after_s: the delay that the aggregator asked for, None where it named none.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NoAnswer(LinkLost, TimeoutError):
    """The aggregator took the connection and then said nothing in time."""


class BadAnswer(LinkLost):
    """What answers does not keep to the protocol; nothing was taken from the outbox for it."""


class NotJoined(LinkLost):
    """The device has no certificate to show."""


class CertificateRefused(LinkLost):
    """The aggregator calls the device's certificate expired or unknown: it has to join again."""
