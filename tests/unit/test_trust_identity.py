"""The certificate profile, names, requests and claim codes: what both ends agree on."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from hypothesis import given
from hypothesis import strategies as st

from trust import certificates
from trust.certificates import BACKDATED, DEVICE_LIFE, SERVER_NAME, to_der
from trust.checking import (
    CertificateRefused,
    RequestRefused,
    Validity,
    check_device_certificate,
    fingerprint,
    key_words,
    peer_of,
    public_key_der,
    read_request,
    validity,
)
from trust.claim import Claim, ClaimRefused, claim_digest
from trust.names import DeviceName, NameRefused, PersonName, Role, from_subject, serial_of, to_subject

NOW = datetime(2026, 1, 1, 9, tzinfo=UTC)
DEVICE, ROOT = DeviceName("desk-1", "north"), PersonName("root", Role.ADMINISTRATOR)
AUTHORITY_KEY, DEVICE_KEY, SESSION_KEY = (certificates.new_key() for _ in range(3))
AUTHORITY = certificates.make_authority(AUTHORITY_KEY)
CERTIFICATE = certificates.make_client(AUTHORITY, AUTHORITY_KEY, DEVICE, DEVICE_KEY.public_key(), NOW)
SESSION = certificates.make_session(CERTIFICATE, DEVICE_KEY, SESSION_KEY.public_key())
SITE_SERVER = certificates.make_site_server(CERTIFICATE, DEVICE_KEY, SESSION_KEY.public_key(), DEVICE)


def test_a_device_certificate_lasts_thirty_days_and_is_due_after_twenty() -> None:
    assert CERTIFICATE.not_valid_after_utc - NOW == DEVICE_LIFE == timedelta(days=30)
    assert NOW - CERTIFICATE.not_valid_before_utc == BACKDATED
    assert not certificates.renewal_due(CERTIFICATE, NOW + timedelta(days=20) - timedelta(seconds=1))
    assert certificates.renewal_due(CERTIFICATE, NOW + timedelta(days=20))
    assert validity(CERTIFICATE, NOW - timedelta(days=2)) is Validity.NOT_YET
    assert validity(CERTIFICATE, NOW) is Validity.VALID
    assert validity(CERTIFICATE, NOW + DEVICE_LIFE) is Validity.EXPIRED


@pytest.mark.parametrize("clock", [datetime(1970, 1, 1, 0, 1), datetime(2026, 1, 1), datetime(2190, 1, 1)])  # noqa: DTZ001
def test_a_device_with_any_clock_accepts_the_server_and_nothing_else_as_the_server(clock: datetime) -> None:
    key = certificates.new_key()
    server = certificates.make_server(AUTHORITY, AUTHORITY_KEY, key.public_key())
    verifier = verification.PolicyBuilder().store(verification.Store([AUTHORITY])).time(clock)
    check = verifier.build_server_verifier(x509.DNSName(SERVER_NAME))
    assert len(check.verify(server, [])) == 2
    for other in (SESSION, CERTIFICATE, SITE_SERVER):
        with pytest.raises(verification.VerificationError):
            check.verify(other, [CERTIFICATE])


def test_the_authority_signed_name_counts_and_not_the_leafs_own() -> None:
    assert peer_of(to_der(SESSION), AUTHORITY).named == DEVICE
    assert peer_of(to_der(SESSION), AUTHORITY).serial == CERTIFICATE.serial_number
    person = certificates.make_client(AUTHORITY, AUTHORITY_KEY, ROOT, SESSION_KEY.public_key(), NOW)
    assert peer_of(to_der(person), AUTHORITY).named == ROOT
    with pytest.raises(CertificateRefused, match="not its own"):
        peer_of(to_der(CERTIFICATE), AUTHORITY)
    below = certificates.make_session(person, SESSION_KEY, DEVICE_KEY.public_key())
    with pytest.raises(CertificateRefused, match="signs nothing"):
        peer_of(to_der(below), AUTHORITY)
    for noise in (b"", b"\x30\x03\x02\x01\x00"):
        with pytest.raises(CertificateRefused):
            peer_of(noise, AUTHORITY)


def test_a_device_takes_its_own_certificate_of_the_pinned_authority_alone() -> None:
    assert check_device_certificate(CERTIFICATE, AUTHORITY, DEVICE_KEY.public_key()) == DEVICE
    other = certificates.make_authority(certificates.new_key())
    for authority, key in ((other, DEVICE_KEY), (AUTHORITY, SESSION_KEY)):
        with pytest.raises(CertificateRefused):
            check_device_certificate(CERTIFICATE, authority, key.public_key())
    person = certificates.make_client(AUTHORITY, AUTHORITY_KEY, ROOT, DEVICE_KEY.public_key(), NOW)
    with pytest.raises(CertificateRefused, match="not a device's"):
        check_device_certificate(person, AUTHORITY, DEVICE_KEY.public_key())


def test_a_request_proves_its_key() -> None:
    der = to_der(certificates.make_request(DEVICE, DEVICE_KEY))
    asked = read_request(der)
    assert (asked.named, asked.public_key) == (DEVICE, DEVICE_KEY.public_key())
    forged = bytearray(der)
    forged[-1] ^= 1
    large = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(RequestRefused):
        read_request(bytes(forged))
    with pytest.raises(RequestRefused, match="P-256"):
        read_request(to_der(certificates.make_request(DEVICE, large)))
    nameless = (
        x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(DEVICE_KEY, hashes.SHA256())
    )
    with pytest.raises(RequestRefused, match="missing"):
        read_request(to_der(nameless))


@given(st.binary(max_size=600))
def test_no_bytes_break_the_parser_of_requests(noise: bytes) -> None:
    with pytest.raises(RequestRefused):
        read_request(noise)


def test_names_come_back_and_odd_ones_are_refused() -> None:
    for named in (DEVICE, ROOT):
        assert from_subject(to_subject(named, 255)) == named
    assert serial_of(to_subject(DEVICE, 255)) == 255
    assert DEVICE.uri() == "spiffe://aidpost/site/north/device/desk-1"
    for bad in ("", "a/b", "x" * 64, "-a", "a\n"):
        with pytest.raises((NameRefused, ValueError)):
            from_subject(to_subject(DeviceName(bad, "north")))


def test_two_serials_are_never_the_same() -> None:
    serials = {
        certificates.make_client(AUTHORITY, AUTHORITY_KEY, DEVICE, DEVICE_KEY.public_key(), NOW).serial_number
        for _ in range(8)
    }
    assert len(serials) == 8
    assert min(serials).bit_length() > 100


def test_a_claim_code_is_read_however_it_was_written_down() -> None:
    claim = Claim.new(fingerprint(AUTHORITY))
    text = claim.text()
    assert [len(group) for group in text.split("-")] == [5] * 9
    untidy = text.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert Claim.parse(untidy) == Claim.parse(text) == claim
    assert claim.pins(fingerprint(AUTHORITY))
    assert not claim.pins(hashlib.sha256(b"another").digest())
    assert claim.secret.hex() not in repr(claim)


@given(st.integers(0, 44), st.integers(1, 31))
def test_one_wrong_letter_in_a_claim_code_is_noticed(place: int, step: int) -> None:
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    letters = list(Claim(bytes(range(10)), bytes(16)).text().replace("-", ""))
    letters[place] = alphabet[(alphabet.index(letters[place]) + step) % 32]
    with pytest.raises(ClaimRefused, match="slip"):
        Claim.parse("".join(letters))


def test_what_is_kept_of_a_claim_needs_the_key() -> None:
    assert claim_digest(b"k" * 32, b"secret") != claim_digest(b"l" * 32, b"secret")
    assert key_words(public_key_der(DEVICE_KEY.public_key())).count("-") == 3


def test_a_session_certificate_is_signed_by_the_device() -> None:
    SESSION.verify_directly_issued_by(CERTIFICATE)
    with pytest.raises((InvalidSignature, ValueError)):
        SESSION.verify_directly_issued_by(AUTHORITY)
