"""Reads bundles: every byte is checked before anything of one is stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from google.protobuf.message import DecodeError

from aggregator import codec
from aggregator.malformed import Malformed
from aggregator.records import Batch, Hello
from aidpost.v1 import bundle_pb2
from trust.bundle import MAGIC, MAX_BATCHES, MAX_BUNDLE_BYTES, RECEIPT_MAGIC, batch_digest, signed_part

MAX_BATCH_EVENTS = 500


class BundleRefused(ValueError):
    """The file is not stored; the message says why, and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose signature holds; public_key: by which, SubjectPublicKeyInfo (DER)."""

    hello: Hello
    batches: tuple[Batch, ...]
    first_seq: int
    last_seq: int
    public_key: bytes


def read_bundle(path: Path) -> Bundle:
    """Read and check a file. Raises BundleRefused and OSError."""
    with path.open("rb") as file:
        content = file.read(MAX_BUNDLE_BYTES + 1)
    return parse_bundle(content)


def parse_bundle(content: bytes) -> Bundle:
    """Return the bundle of a file's content. Raises BundleRefused."""
    if not content.startswith(MAGIC):
        raise BundleRefused("it is no bundle of this version")
    if len(content) > MAX_BUNDLE_BYTES:
        raise BundleRefused(f"it is larger than {MAX_BUNDLE_BYTES // 2**20} MiB")
    message, statement = bundle_pb2.Bundle(), bundle_pb2.BundleStatement()
    try:
        message.ParseFromString(content[len(MAGIC) :])
        statement.ParseFromString(message.statement)
    except DecodeError as error:
        raise BundleRefused("it is damaged or cut short") from error
    _check_signature(statement.public_key, message.signature, message.statement)
    digests = [batch_digest(batch.SerializeToString(deterministic=True)) for batch in message.batches]
    if digests != list(statement.batch_digests):
        raise BundleRefused("its batches are damaged, missing or not in the order that was signed")
    if not 0 < len(digests) <= MAX_BATCHES:
        raise BundleRefused(f"it has no batches, or more than {MAX_BATCHES}")
    try:
        hello = codec.parse_hello(statement.hello)
        batches = tuple(codec.parse_batch(batch, max_events=MAX_BATCH_EVENTS) for batch in message.batches)
    except Malformed as error:
        raise BundleRefused(str(error)) from error
    expected = statement.first_seq
    for batch in batches:
        for event in batch.events:
            if event.seq != expected:
                raise BundleRefused("its numbers have gaps or are not the ones that were signed")
            expected += 1
    if expected != statement.last_seq + 1:
        raise BundleRefused("its numbers have gaps or are not the ones that were signed")
    return Bundle(hello, batches, statement.first_seq, statement.last_seq, statement.public_key)


def receipt_file(device_id: str, epoch: bytes, seq: int, server_ns: int, receipt: bytes, key: bytes) -> bytes:
    """Return the content of a receipt's file."""
    message = bundle_pb2.BundleReceipt(
        device_id=device_id,
        epoch=epoch,
        seq=seq,
        server_time=codec.timestamp(server_ns),
        receipt=receipt,
        receipt_key=key,
    )
    return RECEIPT_MAGIC + message.SerializeToString(deterministic=True)


def _check_signature(public_key: bytes, signature: bytes, statement: bytes) -> None:
    try:
        key = load_der_public_key(public_key)
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise BundleRefused("it is signed by no device's key")
        key.verify(signature, signed_part(statement), ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise BundleRefused("it was changed: the device's signature does not hold") from None
    except (ValueError, UnsupportedAlgorithm) as error:
        if isinstance(error, BundleRefused):
            raise
        raise BundleRefused("it is signed by no device's key") from error
