"""Bundles as files: what waits in the outbox goes out by hand, and receipts come back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from aidpost.v1 import bundle_pb2, link_pb2
from firmware.records import Queued, SignedReceipt
from firmware.store.store import Store
from firmware.uplink import codec
from firmware.uplink.codec import SECOND_NS
from firmware.uplink.packing import MAX_EVENTS
from trust.bundle import (
    MAGIC,
    MAX_BATCHES,
    MAX_RECEIPT_BYTES,
    RECEIPT_MAGIC,
    SUFFIX,
    batch_digest,
    signed_part,
)

BUNDLE_EVENTS = 10_000
_UNUSED = bytes(
    16
)  # a bundle has no stream: its hello has neither a generation nor an instance to tell apart
assert BUNDLE_EVENTS <= MAX_EVENTS * MAX_BATCHES  # noqa: S101


class ReceiptUnreadable(ValueError):
    """The file is no receipt."""


@dataclass(frozen=True, slots=True)
class Signer:
    """The device's key: its public half as SubjectPublicKeyInfo (DER), and how it signs."""

    public_key: bytes
    sign: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class CarriedReceipt:
    """A receipt of whatever device."""

    device_id: str
    epoch: bytes
    signed: SignedReceipt


def write_bundles(
    store: Store, folder: Path, software_version: str, signer: Signer
) -> Iterator[tuple[Path, int]]:
    """Write everything that waits; yields each file, which is whole on the disk, and its number of events.

    Nothing leaves the outbox before its receipt has come. Raises StoreError, GuardError and OSError.
    """
    after = 0
    while events := store.outbox.pending(after, BUNDLE_EVENTS):
        after = events[-1].seq
        name = f"{store.device_id}-{store.epoch.hex()[:8]}-{events[0].seq:08}-{after:08}{SUFFIX}"
        path = folder / name
        _write(path, _bundle(store, events, software_version, signer))
        yield path, len(events)


def read_receipt(path: Path) -> CarriedReceipt:
    """Read a receipt file. Raises ReceiptUnreadable and OSError."""
    with path.open("rb") as file:
        content = file.read(MAX_RECEIPT_BYTES + 1)
    if not content.startswith(RECEIPT_MAGIC) or len(content) > MAX_RECEIPT_BYTES:
        raise ReceiptUnreadable("it is no receipt")
    message = bundle_pb2.BundleReceipt()
    try:
        message.ParseFromString(content[len(RECEIPT_MAGIC) :])
    except DecodeError as error:
        raise ReceiptUnreadable("it is damaged") from error
    server_ns = message.server_time.seconds * SECOND_NS + message.server_time.nanos
    if not (0 <= server_ns < 2**63 and message.seq < 2**63):
        raise ReceiptUnreadable("it is damaged")
    signed = SignedReceipt(message.seq, server_ns, message.receipt, message.receipt_key)
    return CarriedReceipt(message.device_id, message.epoch, signed)


def _bundle(store: Store, events: Sequence[Queued], software_version: str, signer: Signer) -> bytes:
    batches = [codec.batch(events[start : start + MAX_EVENTS]) for start in range(0, len(events), MAX_EVENTS)]
    statement = bundle_pb2.BundleStatement(
        hello=link_pb2.Hello(
            device_id=store.device_id,
            epoch=store.epoch,
            last_seq=store.outbox.last_seq(),
            software_version=software_version,
            site=store.site,
            generation=1,
            instance=_UNUSED,
        ),
        first_seq=events[0].seq,
        last_seq=events[-1].seq,
        batch_digests=[batch_digest(batch.SerializeToString(deterministic=True)) for batch in batches],
        public_key=signer.public_key,
    ).SerializeToString(deterministic=True)
    bundle = bundle_pb2.Bundle(
        statement=statement, signature=signer.sign(signed_part(statement)), batches=batches
    )
    return MAGIC + bundle.SerializeToString(deterministic=True)


def _write(path: Path, content: bytes) -> None:
    """Write the file so that it is there whole or not at all, also on a stick that is pulled out early.

    Its owner alone can read it, where the stick's file system knows rights.
    """
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)  # a left one would keep its rights
    made = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(made, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
