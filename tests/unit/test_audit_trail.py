"""The audit log says what EU AI Act art. 12(3) asks for, and can be checked away from the appliance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from firmware.records import SignedReceipt, Use
from firmware.store.audit import AuditBroken, AuditEntry
from firmware.store.store import Store
from firmware.store.trail import Holds, TrailUnreadable, read_lines
from tests.kit.store_values import DEVICE, check_in, moment, open_store
from trust.chain import Receipt
from trust.checking import public_key_der

KEY = ec.generate_private_key(ec.SECP256R1())
AGGREGATOR = Ed25519PrivateKey.generate()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    for number in range(1, 6):
        store.commit_check_in(moment(), check_in(number))
    yield store
    store.close()


def sign(data: bytes) -> bytes:
    return KEY.sign(data, ec.ECDSA(hashes.SHA256()))


def written(store: Store) -> list[str]:
    return list(store.trail().lines(public_key_der(KEY.public_key()), sign))


def receipt(store: Store, seq: int, link: bytes | None = None) -> SignedReceipt:
    held = link or store.outbox.pending(seq - 1, 1)[0].link
    public = AGGREGATOR.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signature = Receipt(DEVICE, store.epoch, seq, held, 1000).signed(AGGREGATOR)
    return SignedReceipt(seq, 1000, signature, public)


def test_a_use_is_kept_with_its_beginning_gallery_models_operator_and_a_digest_of_the_input(
    store: Store,
) -> None:
    use = Use(moment(), b"g" * 32, ("sface-1/litert", "leader-2/litert"), "ana", b"i" * 32)
    store.commit_check_in(moment(1), check_in(6), use=use)
    _, data, _ = store.trail().rows[-1]
    facts = msgspec.msgpack.decode(data, type=AuditEntry).facts
    assert facts["gallery"] == (b"g" * 32).hex()
    assert facts["models"] == "sface-1/litert leader-2/litert"
    assert (facts["operator"], facts["outcome"], facts["threshold"]) == ("ana", "suggestion", "4.25")
    assert facts["input"] == (b"i" * 32).hex()
    assert facts["began"].endswith("unset")
    assert store.input_key() == store.input_key()


def test_the_file_holds_as_the_store_does(store: Store) -> None:
    assert store.outbox.receipt_holds(receipt(store, 3))
    store.outbox.acknowledge(3, moment(), receipt(store, 3))
    trail, key = read_lines(iter(written(store)))
    assert key == public_key_der(KEY.public_key())
    assert trail.check() == store.trail().check() == Holds(rows=5, receipts=1, covered=3)


def test_a_changed_file_is_refused_and_a_forged_one_breaks_at_its_row(store: Store) -> None:
    lines = written(store)
    for place in range(len(lines) - 1):
        with pytest.raises(TrailUnreadable):
            read_lines(iter(lines[:place] + lines[place + 1 :]))
    with pytest.raises(TrailUnreadable, match="without the device's signature"):
        read_lines(iter(lines[:-1]))
    # Signed anew by whoever has the device's key: the chain itself still shows what was taken out.
    trail = store.trail()
    rows = [row for row in trail.rows if row[0] != 3]
    forged = msgspec.structs.replace(trail.head)
    broken = type(trail)(forged, rows, (), trail.record).check()
    assert isinstance(broken, AuditBroken)
    assert (broken.number, broken.reason) == (3, "a row is missing")


def test_a_log_written_anew_does_not_fit_the_receipt(store: Store, tmp_path: Path) -> None:
    store.outbox.acknowledge(2, moment(), receipt(store, 2))
    (tmp_path / "other").mkdir()
    other = open_store(tmp_path / "other")
    for number in range(11, 16):
        other.commit_check_in(moment(), check_in(number))
    anew, signed = other.trail(), store.trail()
    head = msgspec.structs.replace(anew.head, epoch=signed.head.epoch)
    broken = type(anew)(head, anew.rows, signed.receipts, lambda _: None).check()
    other.close()
    assert isinstance(broken, AuditBroken)
    assert "signed for up to event 2" in broken.reason


def test_a_receipt_by_another_key_or_for_another_chain_is_not_kept(store: Store) -> None:
    assert not store.outbox.receipt_holds(receipt(store, 2, link=bytes(32)))
    store.outbox.acknowledge(1, moment(), receipt(store, 1))
    other = msgspec.structs.replace(receipt(store, 2), receipt_key=bytes(32))
    assert not store.outbox.receipt_holds(other)
    assert store.outbox.receipt_holds(receipt(store, 2))
