"""The audit log as it can be checked anywhere: from the store, or from a file that was written of it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from firmware.event_message import canonical
from firmware.records import SignedReceipt
from firmware.store import audit
from firmware.store.audit import AuditBroken, AuditEntry
from firmware.store.errors import StoreDamaged
from firmware.store.events import decoded
from trust import chain
from trust.chain import Receipt

FORMAT = "aidpost audit 1"


class TrailUnreadable(ValueError):
    """The file is no audit log of an appliance; the message says from which line on."""


@dataclass(frozen=True, slots=True)
class Holds:
    """What was checked and holds: so many rows and receipts; the last receipt covers events up to covered."""

    rows: int
    receipts: int
    covered: int


class Head(msgspec.Struct, frozen=True):
    """Whose log it is. began_at: the row that began the present epoch; chain_epoch: of the first row."""

    format: str
    device_id: str
    epoch: bytes
    chain_epoch: bytes
    began_at: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class Trail:
    """rows: number, entry, chain. record: the kept record of a number in the present epoch, or None."""

    head: Head
    rows: Sequence[tuple[int, bytes, bytes]]
    receipts: Sequence[SignedReceipt]
    record: Callable[[int], bytes | None]

    def check(self) -> Holds | AuditBroken:
        """Walk the rows, the chain of events and the receipts; return the first that does not hold."""
        head, number, seq = self.head, 0, 0
        link = audit.first_link(head.chain_epoch)
        event_link = chain.first_link(head.device_id, head.epoch)
        links: dict[int, bytes] = {}
        for found, data, value in self.rows:
            number += 1
            if found != number:
                return AuditBroken(number, "a row is missing")
            link = audit.next_link(link, data)
            if not hmac.compare_digest(link, value):
                return AuditBroken(number, "the row is not the one that was written here")
            try:
                entry = msgspec.msgpack.decode(data, type=AuditEntry)
            except msgspec.DecodeError:
                return AuditBroken(number, "the row cannot be read")
            if entry.act == audit.NEW_EPOCH:
                seq = 0
            if entry.seq is None:
                continue
            seq += 1
            if entry.seq != seq:
                return AuditBroken(number, f"the row of event {seq} is missing")
            if number <= head.began_at:
                continue
            record = self.record(seq)
            if record is not None and not _continues(event_link, seq, record, entry.about):
                return AuditBroken(number, f"the record of event {seq} was changed")
            event_link = links[seq] = entry.about
        if seq != head.last_seq:
            return AuditBroken(number + 1, f"the rows after event {seq} are missing")
        for receipt in self.receipts:
            if not self._holds(receipt, links.get(receipt.seq)):
                return AuditBroken(
                    number, f"the log is not the one that the aggregator signed for up to event {receipt.seq}"
                )
        return Holds(number, len(self.receipts), max((receipt.seq for receipt in self.receipts), default=0))

    def _holds(self, receipt: SignedReceipt, link: bytes | None) -> bool:
        if link is None:
            return False
        head = self.head
        signed = Receipt(head.device_id, head.epoch, receipt.seq, link, receipt.server_ns)
        return signed.holds(receipt.receipt_key, receipt.signature)

    def lines(self, public_key: bytes, sign: Callable[[bytes], bytes]) -> Iterator[str]:
        """Yield the file's lines: head, rows, receipts, and the device's signature over all of it."""
        digest = hashlib.sha256()
        for kind, value in (
            ("head", self.head),
            *(("row", row) for row in self.rows),
            *(("receipt", receipt) for receipt in self.receipts),
            ("device key", public_key),
        ):
            line = msgspec.json.encode({kind: value}).decode()
            digest.update(line.encode() + b"\n")
            yield line
        yield msgspec.json.encode({"signature": sign(_statement(digest.digest()))}).decode()


def read_lines(lines: Iterator[str]) -> tuple[Trail, bytes]:
    """Return the log of a file and the device's public key (DER), its signature checked.

    Raises TrailUnreadable.
    """
    digest, number = hashlib.sha256(), 0
    other = "this is no file that `aidpost audit export` wrote"
    head: Head | None = None
    rows: list[tuple[int, bytes, bytes]] = []
    receipts: list[SignedReceipt] = []
    key = b""
    try:
        for number, line in enumerate(lines, 1):
            ((kind, value),) = msgspec.json.decode(line, type=dict[str, Any]).items()
            match kind:
                case "head":
                    head = msgspec.convert(value, Head)
                case "row":
                    rows.append(msgspec.convert(value, tuple[int, bytes, bytes]))
                case "receipt":
                    receipts.append(msgspec.convert(value, SignedReceipt))
                case "device key":
                    key = base64.b64decode(value, validate=True)
                case "signature":
                    if head is None or head.format != FORMAT:
                        raise TrailUnreadable(f"this is no file of the format {FORMAT!r}")
                    _check(key, base64.b64decode(value, validate=True), digest.digest())
                    return Trail(head, rows, receipts, lambda _seq: None), key
                case _:
                    raise TrailUnreadable(f"line {number} is of an unknown kind")
            digest.update(line.rstrip("\n").encode() + b"\n")
    except (msgspec.MsgspecError, binascii.Error, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, TrailUnreadable):
            raise
        raise TrailUnreadable(other if head is None else f"line {number} cannot be read") from error
    if head is None:
        raise TrailUnreadable(f"{other}: it is empty" if number == 0 else other)
    raise TrailUnreadable(f"the file ends after line {number} without the device's signature")


def _check(key: bytes, signature: bytes, digest: bytes) -> None:
    public = load_der_public_key(key)
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise TrailUnreadable("the device's key is not on an elliptic curve")
    try:
        public.verify(signature, _statement(digest), ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise TrailUnreadable("the file was changed: the device's signature does not hold") from None


def _statement(digest: bytes) -> bytes:
    return FORMAT.encode() + b"\0" + digest


def _continues(link: bytes, seq: int, data: bytes, after: bytes) -> bool:
    try:
        event = decoded(seq, data)
    except StoreDamaged:
        return False
    return hmac.compare_digest(chain.next_link(link, canonical(event)), after)
