"""A bundle made by the project is what real RAUC takes, and nothing else is."""

from __future__ import annotations

import random
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from imaging.bundle import BLOCK_BYTES, BundleFailed, Contents, make, verify
from imaging.keyring import KeyringUnusable, checked
from imaging.keys import SIGNER_DAYS, KeysExist, KeysMissing, SigningKeys, revoke
from imaging.keys import make as make_keys

pytestmark = pytest.mark.skipif(
    shutil.which("rauc") is None or shutil.which("mksquashfs") is None, reason="needs Debian's rauc"
)
ROOT_BYTES = 64 * BLOCK_BYTES


@pytest.fixture
def keys(tmp_path: Path) -> SigningKeys:
    return make_keys(tmp_path / "keys")


def contents(folder: Path, version: str = "1.2.0") -> Contents:
    root, boot = folder / "root.img", folder / "boot.img"
    root.write_bytes(random.Random(1).randbytes(ROOT_BYTES))  # noqa: S311 -- the same each time
    boot.write_bytes(bytes(BLOCK_BYTES))
    return Contents(root, boot, version)


def test_it_says_what_it_is_and_brings_an_index_of_its_blocks(tmp_path: Path, keys: SigningKeys) -> None:
    bundle = tmp_path / "update.raucb"
    make(contents(tmp_path), keys, bundle)
    assert verify(bundle, keys.keyring) == ("aidpost-arm64", "1.2.0")
    command = ["unsquashfs", "-l", str(bundle)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "root.img.block-hash-index" in listed
    assert "boot.img.block-hash-index" in listed


def test_another_authority_s_signature_is_refused(tmp_path: Path, keys: SigningKeys) -> None:
    bundle = tmp_path / "update.raucb"
    make(contents(tmp_path), make_keys(tmp_path / "others"), bundle)
    with pytest.raises(BundleFailed, match="signature verification failed"):
        verify(bundle, keys.keyring)


@pytest.mark.parametrize("where", [0.3, 0.9999])
def test_a_bundle_of_which_one_bit_was_changed_is_refused(
    tmp_path: Path, keys: SigningKeys, where: float
) -> None:
    bundle = tmp_path / "update.raucb"
    make(contents(tmp_path), keys, bundle)
    content = bytearray(bundle.read_bytes())
    content[int(len(content) * where) - 16] ^= 1
    bundle.write_bytes(content)
    with pytest.raises(BundleFailed):
        verify(bundle, keys.keyring)


def test_a_signer_s_certificate_that_has_ended_signs_no_more(tmp_path: Path) -> None:
    keys = make_keys(tmp_path / "keys", datetime.now(UTC) - timedelta(days=SIGNER_DAYS + 1))
    with pytest.raises(BundleFailed, match="expired"):
        make(contents(tmp_path), keys, tmp_path / "update.raucb")


def test_a_stolen_key_signs_nothing_more_for_who_has_the_next_keyring(
    tmp_path: Path, keys: SigningKeys
) -> None:
    stolen, before = tmp_path / "stolen", tmp_path / "before.pem"
    shutil.copytree(keys.folder, stolen)
    shutil.copyfile(keys.keyring, before)
    early, late, rescue = (tmp_path / f"{name}.raucb" for name in ("early", "late", "rescue"))
    make(contents(tmp_path), keys, early)
    revoke(keys.folder)
    make(contents(tmp_path, "1.3.0"), SigningKeys(stolen), late)
    make(contents(tmp_path, "1.2.1"), keys, rescue)
    for signed_by_the_thief in (early, late):
        with pytest.raises(BundleFailed, match="revoked"):
            verify(signed_by_the_thief, keys.keyring)
    # What the fleet has already takes the update that brings the next keyring; and so on, each time.
    assert verify(rescue, before) == verify(rescue, keys.keyring) == ("aidpost-arm64", "1.2.1")
    revoke(keys.folder)
    for gone in (late, rescue):
        with pytest.raises(BundleFailed, match="revoked"):
            verify(gone, keys.keyring)


def test_a_stolen_authority_is_left_by_an_update_that_it_still_signed(
    tmp_path: Path, keys: SigningKeys
) -> None:
    others = make_keys(tmp_path / "others")
    farewell, after = tmp_path / "farewell.raucb", tmp_path / "after.raucb"
    make(contents(tmp_path), keys, farewell)  # its root would hold the keyring of the others
    make(contents(tmp_path, "1.3.0"), others, after)
    assert verify(farewell, keys.keyring) == ("aidpost-arm64", "1.2.0")
    assert verify(after, others.keyring) == ("aidpost-arm64", "1.3.0")
    with pytest.raises(BundleFailed, match="verification failed"):
        verify(farewell, others.keyring)


def test_a_keyring_without_a_list_takes_no_update_and_goes_into_no_image(
    tmp_path: Path, keys: SigningKeys
) -> None:
    bundle = tmp_path / "update.raucb"
    make(contents(tmp_path), keys, bundle)
    bare = tmp_path / "bare.pem"
    bare.write_text(keys.keyring.read_text().partition("-----BEGIN X509 CRL")[0])
    with pytest.raises(BundleFailed, match="CRL"):
        verify(bundle, bare)
    with pytest.raises(KeyringUnusable, match="put its CRL behind it"):
        checked(bare, datetime.now(UTC))
    checked(keys.keyring, datetime.now(UTC))


def test_a_list_that_was_appended_revokes_nobody_and_goes_into_no_image(
    tmp_path: Path, keys: SigningKeys
) -> None:
    bundle, appended = tmp_path / "update.raucb", tmp_path / "appended.pem"
    make(contents(tmp_path), keys, bundle)
    former = keys.keyring.read_text()
    revoke(keys.folder)
    certificate, mark, newest = keys.keyring.read_text().partition("-----BEGIN X509 CRL")
    appended.write_text(former + mark + newest)
    assert verify(bundle, appended) == ("aidpost-arm64", "1.2.0")  # which is why no build takes it
    for two in (former + mark + newest, certificate + mark + newest + mark + former.partition(mark)[2]):
        appended.write_text(two)
        with pytest.raises(KeyringUnusable, match="replace the former by the newest"):
            checked(appended, datetime.now(UTC))
    (authority,) = checked(keys.keyring, datetime.now(UTC))
    assert (authority.list_number, authority.revoked) == (2, 1)


def test_a_list_of_tomorrow_takes_nothing_of_today_and_goes_into_no_image(
    tmp_path: Path, keys: SigningKeys
) -> None:
    bundle, now = tmp_path / "update.raucb", datetime.now(UTC)
    make(contents(tmp_path), keys, bundle)
    authority = x509.load_pem_x509_certificate(keys.keyring.read_bytes())
    key = load_pem_private_key(keys.authority_key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(now + timedelta(days=1))
        .next_update(authority.not_valid_after_utc)
        .sign(key, hashes.SHA256())
    )
    keys.keyring.write_bytes(authority.public_bytes(Encoding.PEM) + crl.public_bytes(Encoding.PEM))
    with pytest.raises(BundleFailed, match="not yet valid"):
        verify(bundle, keys.keyring)
    with pytest.raises(KeyringUnusable, match="look at the clock"):
        checked(keys.keyring, now)


def test_without_the_authority_s_key_nothing_is_revoked(keys: SigningKeys) -> None:
    before = keys.keyring.read_bytes()
    keys.authority_key.unlink()
    with pytest.raises(KeysMissing, match="alone can revoke"):
        revoke(keys.folder)
    assert keys.keyring.read_bytes() == before


@pytest.mark.parametrize("version", ["", "new", "1.2.0 final"])
def test_a_version_that_cannot_be_compared_is_refused(
    tmp_path: Path, keys: SigningKeys, version: str
) -> None:
    with pytest.raises(BundleFailed, match="is no version"):
        make(contents(tmp_path, version), keys, tmp_path / "update.raucb")


def test_an_image_that_ends_within_a_block_is_refused(tmp_path: Path, keys: SigningKeys) -> None:
    made = contents(tmp_path)
    made.root.write_bytes(b"x" * (BLOCK_BYTES + 1))
    with pytest.raises(BundleFailed, match="whole blocks"):
        make(made, keys, tmp_path / "update.raucb")
    assert not (tmp_path / "update.raucb").exists()


def test_keys_in_use_are_not_replaced(tmp_path: Path, keys: SigningKeys) -> None:
    before = keys.key.read_bytes()
    with pytest.raises(KeysExist):
        make_keys(keys.folder)
    assert keys.key.read_bytes() == before
    assert keys.key.stat().st_mode & 0o077 == 0
