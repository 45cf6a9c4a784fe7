"""Records carried on a stick into the aggregator's store, receipts back; nothing lost or doubled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from aggregator.bundles import BundleRefused, parse_bundle
from aggregator.cli import main as aggregator
from aggregator.store import claims, identities
from aggregator.store.database import open_reader, open_writer
from aggregator.store.identities import Certificate
from aggregator.store.reader import read_devices, read_events
from aidpost.v1 import bundle_pb2
from firmware.uplink.bundles import Signer, read_receipt, write_bundles
from tests.kit.aggregator_fixture import running_aggregator
from tests.kit.store_values import DEVICE, check_in, moment, open_store
from trust.bundle import MAGIC
from trust.checking import Request, key_words, public_key_der
from trust.names import DeviceName

LIFE_NS = identities.LIFE_NS


@dataclass
class Kit:
    """A store with its device key, a stick, and the aggregator's store."""

    folder: Path
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.stick.mkdir()
        with open_writer(self.results, None):
            pass
        self.store = open_store(self.folder)

    @property
    def stick(self) -> Path:
        return self.folder / "stick"

    @property
    def results(self) -> Path:
        return self.folder / "results.db"

    @property
    def words(self) -> str:
        return key_words(public_key_der(self.key.public_key()))

    def commit(self, first: int, last: int) -> None:
        for number in range(first, last + 1):
            self.store.commit_check_in(moment(), check_in(number))

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))

    def export(self) -> list[Path]:
        signer = Signer(public_key_der(self.key.public_key()), self.sign)
        return [path for path, _ in write_bundles(self.store, self.stick, "0.1.0", signer)]

    def bring(self, *options: str) -> Result:
        made = ["import", "--store", str(self.results), "--accept-key", self.words, *options, str(self.stick)]
        return CliRunner().invoke(aggregator, made)

    def held(self) -> list[int]:
        with open_reader(self.results) as db:
            return [event.seq for event in read_events(db)]


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)


def test_a_bundle_brought_twice_changes_nothing_and_its_receipt_empties_the_outbox(kit: Kit) -> None:
    kit.commit(1, 250)
    (bundle,) = kit.export()
    first, second = kit.bring(), kit.bring()
    assert first.exit_code == second.exit_code == 0, first.output
    assert "250 new, 0 held before" in first.output
    assert "0 new, 250 held before" in second.output
    assert kit.held() == list(range(1, 251))
    assert kit.store.counts().waiting == 250
    (receipt_file,) = kit.stick.glob("*.receipt")
    receipt = read_receipt(receipt_file)
    assert (receipt.device_id, receipt.signed.seq) == (DEVICE, 250)
    assert kit.store.outbox.receipt_holds(receipt.signed)
    assert kit.store.outbox.acknowledge(250, moment(), receipt.signed) == 250
    assert bundle.stat().st_size < 250 * 60
    private = [bundle, *kit.folder.glob("results.db*")]
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}


async def test_bundles_are_taken_while_the_server_runs_and_may_be_older_than_what_it_holds(
    kit: Kit,
) -> None:
    kit.commit(1, 20)
    old = kit.export()
    kit.commit(21, 30)
    kit.export()
    async with running_aggregator(kit.results):
        assert kit.bring().exit_code == 0
        assert kit.held() == list(range(1, 31))
        for path in kit.stick.iterdir():
            if path not in old:
                path.unlink()
        assert "0 new, 20 held before" in kit.bring().output
    with open_reader(kit.results) as db:
        (device,) = read_devices(db)
    assert not device.outboxes[0].disputed


def changed(content: bytes, change: Callable[[bundle_pb2.Bundle], object]) -> bytes:
    bundle = bundle_pb2.Bundle.FromString(content[len(MAGIC) :])
    change(bundle)
    return MAGIC + bundle.SerializeToString()


SPOILT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut short": (lambda content: content[: len(content) // 2], "damaged"),
    "no bundle": (lambda _: b"a holiday photograph", "no bundle"),
    "one bit flipped in the middle": (
        lambda content: content[:700] + bytes([content[700] ^ 1]) + content[701:],
        "",
    ),
    "batches in another order": (
        lambda content: changed(content, lambda b: b.batches.reverse()),
        "order",
    ),
    "a batch left out": (lambda content: changed(content, lambda b: b.batches.pop()), "order"),
    "a batch twice": (
        lambda content: changed(content, lambda b: b.batches.append(b.batches[0])),
        "order",
    ),
    "no signature": (lambda content: changed(content, lambda b: b.ClearField("signature")), "signature"),
    "another statement": (
        lambda content: changed(content, lambda b: setattr(b, "statement", b.statement + b"\x10\x01")),
        "signature",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_bundle_that_is_not_as_it_was_signed_is_named_and_costs_the_others_nothing(
    name: str, kit: Kit
) -> None:
    spoil, words = SPOILT[name]
    kit.commit(1, 250)
    (good,) = kit.export()
    bad = good.with_name("another.aidpost")
    bad.write_bytes(spoil(good.read_bytes()))
    brought = kit.bring()
    assert brought.exit_code == 1
    assert "another.aidpost: refused" in brought.output
    assert words in brought.output
    assert kit.held() == list(range(1, 251))


def test_a_bundle_of_a_device_that_nobody_knows_is_refused(kit: Kit) -> None:
    kit.commit(1, 3)
    kit.export()
    refused = CliRunner().invoke(aggregator, ["import", "--store", str(kit.results), str(kit.stick)])
    assert refused.exit_code == 1
    assert kit.words in refused.output
    assert kit.held() == []
    assert not list(kit.stick.glob("*.receipt"))


def test_a_key_that_was_approved_signs_for_its_device_until_it_is_shut_out(kit: Kit) -> None:
    public_key = kit.key.public_key()
    device = DeviceName(DEVICE, kit.store.site)
    kit.commit(1, 3)
    kit.export()

    def ask(key: ec.EllipticCurvePublicKey, at_ns: int, code: bytes | None = None) -> None:
        with open_writer(kit.results, None) as db, db.atomic():
            if code is not None:
                claims.add(db, code, device.site, at_ns, at_ns + 1, "operator")
            asked = Request(device, key)
            identities.join(db, asked, code, at_ns, lambda _: Certificate(at_ns, at_ns + LIFE_NS, b""))

    def approve(words: str, at_ns: int) -> None:
        with open_writer(kit.results, None) as db, db.atomic():
            assert identities.approve(db, DEVICE, words, at_ns, "operator")

    def taken(*options: str) -> bool:
        plain = ["import", "--store", str(kit.results), *options, str(kit.stick)]
        return CliRunner().invoke(aggregator, plain).exit_code == 0

    ask(public_key, 1, b"first")
    assert not taken(), "nobody approved it"
    approve(kit.words, 2)
    ask(public_key, 3)
    assert taken()
    ask(public_key, 2 * LIFE_NS)
    assert taken(), "the honest device that was off for a year waits again"
    approve(kit.words, 2 * LIFE_NS)
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    ask(other, 2 * LIFE_NS, b"second")
    approve(key_words(public_key_der(other)), 2 * LIFE_NS)
    assert not taken(), "it was replaced"
    assert taken("--accept-key", kit.words)
    with open_writer(kit.results, None) as db, db.atomic():
        identities.revoke(db, DEVICE, 2 * LIFE_NS, "operator")
    assert not taken("--accept-key", kit.words), "it was revoked"
    ask(public_key, 2 * LIFE_NS, b"third")
    assert not taken(), "it was revoked and waits"


def test_a_store_that_is_not_there_is_never_made_by_an_import(kit: Kit) -> None:
    wrong = kit.folder / "resutls.db"
    answer = CliRunner().invoke(aggregator, ["import", "--store", str(wrong), str(kit.stick)])
    assert (answer.exit_code, f"there is no store at {wrong}" in answer.output) == (1, True)
    assert not list(kit.folder.glob("resutls.db*"))


def test_a_bundle_that_contradicts_what_is_held_is_refused_whole(kit: Kit) -> None:
    kit.commit(1, 2)
    kit.export()
    assert kit.bring().exit_code == 0
    (kit.folder / "copy").mkdir()
    # The same epoch with other events: a copied card.
    (path,) = kit.stick.glob("*.aidpost")
    copy = open_store(kit.folder / "copy")
    copy.epoch, kit.store = kit.store.epoch, copy
    kit.commit(11, 13)
    path.unlink()
    kit.export()
    brought = kit.bring()
    assert brought.exit_code == 1
    assert "held with other content" in brought.output
    assert kit.held() == [1, 2]


def test_what_is_no_bundle_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(BundleRefused):
        parse_bundle(MAGIC + hashlib.sha256(b"").digest() * 1000)
