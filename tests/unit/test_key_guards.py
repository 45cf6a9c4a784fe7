"""What each guard promises: which keys open where, and which never again after they were destroyed."""

from __future__ import annotations

import fcntl
import os
import shutil
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from firmware.guard import key_file
from firmware.guard.fuses import fuse_secret
from firmware.guard.key_file import PinState
from firmware.guard.mailbox import read_rows
from firmware.guard.opening import change_pin_in, destroy_keys, open_guard, probe_guard
from firmware.guard.pin import ask_for_pin, open_pin_guard, wait_s
from firmware.guard.settings import GuardSettings
from firmware.records import Moment
from tests.kit import software_tpm
from tests.kit.fake_mailbox import FakeMailbox
from tests.kit.store_values import SECOND_NS, moment
from trust.keys.errors import GuardUnavailable, KeysDamaged, KeysDestroyed, PinRefused
from trust.keys.guard import GuardKind, KeyGuard
from trust.keys.secret import SecretKey
from trust.keys.stretching import Argon2Cost

LIGHT = Argon2Cost(memory_kib=64, passes=1, lanes=1)  # Argon2id's own minimum; the real cost is 64 MiB


def copied(key: SecretKey) -> bytes:
    with key, key.view() as view:
        return bytes(view)


class Operator:
    """Answers with these PINs in turn."""

    def __init__(self, *pins: str) -> None:
        self.pins = list(pins)

    def __call__(self, _prompt: str) -> bytearray:
        return bytearray(self.pins.pop(0), "utf-8")


def pin_guard(
    folder: Path, keys: key_file.KeyFile | None, ask: Operator, now: Callable[[], Moment]
) -> KeyGuard:
    return open_pin_guard(folder, keys, ask_for_pin(folder, keys, ask, now), now, LIGHT)


class PinBench:
    """A folder with keys under a PIN, at a moment that the test sets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.moment = moment()
        self.key = copied(self.open("a long PIN", "a long PIN").store_key())

    def open(self, *pins: str) -> KeyGuard:
        keys = key_file.read(self.folder)
        return pin_guard(self.folder, keys, Operator(*pins), lambda: self.moment)

    def fail(self, times: int) -> None:
        for _ in range(times):
            with pytest.raises(PinRefused, match="wrong PIN"):
                self.open("another PIN")


@pytest.fixture
def pin(tmp_path: Path) -> PinBench:
    return PinBench(tmp_path)


def test_the_pin_opens_the_keys_and_no_other_does(pin: PinBench) -> None:
    assert copied(pin.open("a long PIN").store_key()) == pin.key
    with pytest.raises(PinRefused, match="4 more without a wait"):
        pin.open("a long pin")
    assert copied(pin.open("a long PIN").store_key()) == pin.key


def test_wrong_pins_make_the_next_wait_longer_and_a_restart_does_not_shorten_it(pin: PinBench) -> None:
    pin.fail(5)
    with pytest.raises(PinRefused, match="wait 30 s"):
        pin.open("a long PIN")
    pin.moment = moment(29 / 3600)
    with pytest.raises(PinRefused, match="wait 1 s"):
        pin.open("a long PIN")
    pin.moment = moment(10 / 3600, boot=2)
    with pytest.raises(PinRefused, match="wait 20 s"):
        pin.open("a long PIN")
    pin.moment = moment(30 / 3600, boot=2)
    pin.fail(1)
    with pytest.raises(PinRefused, match="6 wrong PINs in a row: wait 60 s"):
        pin.open("a long PIN")
    pin.moment = moment(91 / 3600, boot=2)
    assert copied(pin.open("a long PIN").store_key()) == pin.key
    pin.fail(1)
    assert copied(pin.open("a long PIN").store_key()) == pin.key, "a right PIN begins the count anew"


def test_the_wait_has_an_end() -> None:
    many = PinState(failures=10_000, failed_boot=bytes(16))
    assert wait_s(many, Moment(bytes(16), 5 * SECOND_NS, 0, moment().quality)) == 3595


def test_where_a_try_cannot_be_counted_there_is_none(pin: PinBench) -> None:
    keys = key_file.read(pin.folder)
    pin.folder.rename(moved := pin.folder.with_name("moved"))
    with pytest.raises(GuardUnavailable, match="cannot write"):
        pin_guard(pin.folder, keys, Operator("a long PIN"), moment)
    moved.rename(pin.folder)


@pytest.mark.parametrize(
    ("pins", "sentence"),
    [(("short", "short"), "at least 8"), (("a long PIN", "a long PlN"), "differ")],
)
def test_a_new_pin_is_long_and_typed_twice(tmp_path: Path, pins: tuple[str, str], sentence: str) -> None:
    with pytest.raises(PinRefused, match=sentence):
        pin_guard(tmp_path, None, Operator(*pins), moment)
    assert list(tmp_path.iterdir()) == []


def test_a_changed_pin_opens_the_same_keys_and_the_old_one_does_not(pin: PinBench) -> None:
    with (pin.folder / "keys.json").open("rb") as former:
        under_the_old_pin = key_file.read(pin.folder)
        change_pin_in(pin.folder, Operator("a long PIN", "another one", "another one"), moment)
        assert under_the_old_pin is not None
        assert b64encode(under_the_old_pin.store_key) not in former.read(), "its blocks are overwritten"
    with pytest.raises(PinRefused):
        pin.open("a long PIN")
    guard = pin.open("another one")
    assert copied(guard.store_key()) == pin.key
    assert guard.sign(b"x")


@pytest.fixture
def board() -> FakeMailbox:
    mailbox = FakeMailbox()
    fuse_secret(mailbox)
    return mailbox


def otp_guard(folder: Path, mailbox: FakeMailbox, *, burn: bool = False) -> KeyGuard:
    settings = GuardSettings(GuardKind.OTP, burn=burn)
    return open_guard(settings, folder, store_exists=False, mailbox=mailbox)


def test_the_card_opens_on_its_own_board_alone(tmp_path: Path, board: FakeMailbox) -> None:
    with otp_guard(tmp_path, board) as guard:
        key = copied(guard.store_key())
    with otp_guard(tmp_path, board) as again:
        assert copied(again.store_key()) == key
    other = FakeMailbox()
    fuse_secret(other)
    with pytest.raises(KeysDamaged, match="another card, board"):
        otp_guard(tmp_path, other)


def test_a_board_is_fused_once_and_only_when_asked(tmp_path: Path, board: FakeMailbox) -> None:
    blank = FakeMailbox()
    for use in (lambda: otp_guard(tmp_path, blank), lambda: probe_guard(GuardSettings(GuardKind.OTP), blank)):
        with pytest.raises(GuardUnavailable, match="aidpost keys fuse"):
            use()
    probe_guard(GuardSettings(GuardKind.OTP), board)
    assert blank.rows == [0] * 8
    before = bytes(read_rows(board))
    with pytest.raises(GuardUnavailable, match="in use already"):
        fuse_secret(board)
    assert bytes(read_rows(board)) == before
    blank.locked = True
    with pytest.raises(GuardUnavailable, match="locked"):
        fuse_secret(blank)
    blank.absent = True
    with pytest.raises(GuardUnavailable, match="needs a Raspberry Pi"):
        otp_guard(tmp_path, blank)


def test_a_burnt_board_opens_no_earlier_copy_and_an_unburnt_one_does(
    tmp_path: Path, board: FakeMailbox
) -> None:
    card, copy = tmp_path / "card", tmp_path / "copy"
    guard = otp_guard(card, board)
    shutil.copytree(card, copy)
    guard.destroy("lock")
    with pytest.raises(KeysDestroyed):
        otp_guard(card, board)
    otp_guard(copy, board, burn=True).destroy("lock")  # this is why `burn` exists
    shutil.rmtree(copy)
    assert board.rows == [0xFFFFFFFF] * 8
    with pytest.raises(GuardUnavailable, match="burnt"):
        otp_guard(tmp_path / "new", board)


NO_TPM = software_tpm.why_there_is_none()
needs_tpm = pytest.mark.skipif(NO_TPM is not None, reason=NO_TPM or "")
OpenTpm = Callable[..., KeyGuard]


@pytest.fixture
def open_tpm(tmp_path: Path) -> Iterator[OpenTpm]:
    with software_tpm.powered_tpm(tmp_path / "tpm") as address:

        def opened(folder: Path, tcti: str = address, pcrs: tuple[int, ...] = ()) -> KeyGuard:
            return open_guard(GuardSettings(GuardKind.TPM, tcti, pcrs), folder, store_exists=False)

        yield opened


@needs_tpm
@pytest.mark.parametrize("pcrs", [(), (0, 7)])
def test_the_tpm_gives_the_same_keys_after_a_power_cut(tmp_path: Path, pcrs: tuple[int, ...]) -> None:
    card = tmp_path / "card"
    for start in range(2):
        with software_tpm.powered_tpm(tmp_path / "tpm") as address:
            settings = GuardSettings(GuardKind.TPM, address, pcrs)
            with open_guard(settings, card, store_exists=start > 0) as guard:
                signature = guard.sign(b"who I am")
                guard.public_key().verify(signature, b"who I am", ec.ECDSA(SHA256()))
                public, key = guard.public_key().public_numbers(), copied(guard.store_key())
        if start == 0:
            first = (public, key)
    assert (public, key) == first
    assert [path.name for path in card.iterdir()] == ["keys.json"]


@needs_tpm
def test_the_card_does_not_open_with_another_tpm(tmp_path: Path, open_tpm: OpenTpm) -> None:
    card = tmp_path / "card"
    open_tpm(card).close()
    with software_tpm.powered_tpm(tmp_path / "other") as other:
        with pytest.raises(KeysDamaged, match="another TPM"):
            open_tpm(card, other)
        open_tpm(tmp_path / "its own", other).close()
        with pytest.raises(KeysDamaged):
            open_tpm(card, other)
    with pytest.raises(GuardUnavailable, match="check that it is fitted"):
        open_tpm(card, other)
    with pytest.raises(GuardUnavailable, match="check that it is fitted"):
        probe_guard(GuardSettings(GuardKind.TPM, other))


@needs_tpm
def test_what_the_tpm_evicted_opens_no_earlier_copy_of_the_card(tmp_path: Path, open_tpm: OpenTpm) -> None:
    card, copy = tmp_path / "card", tmp_path / "copy"
    guard = open_tpm(card)
    shutil.copytree(card, copy)
    guard.destroy("lock")
    guard.destroy("lock")
    with pytest.raises(KeysDestroyed, match="lock"):
        open_tpm(card)
    with pytest.raises(KeysDamaged, match="does not open"):
        open_tpm(copy)


@needs_tpm
def test_keys_are_destroyed_without_being_opened(tmp_path: Path) -> None:
    with software_tpm.powered_tpm(tmp_path / "other") as address:
        settings = GuardSettings(GuardKind.TPM, address)
        card, copy = tmp_path / "card", tmp_path / "copy"
        open_guard(settings, card, store_exists=False).close()
        shutil.copytree(card, copy)
        destroy_keys(settings, card, "lock")
        with pytest.raises(KeysDamaged, match="does not open"):
            open_guard(settings, copy, store_exists=False)


def test_a_pin_is_not_needed_to_destroy(pin: PinBench) -> None:
    destroy_keys(GuardSettings(GuardKind.PIN), pin.folder, "lock")
    with pytest.raises(KeysDestroyed, match="lock"):
        pin.open("a long PIN")


class Hesitant:
    """An operator at whose prompt the keys are destroyed by another process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, _prompt: str) -> bytearray:
        destroy_keys(GuardSettings(GuardKind.PIN), self.folder, "lock")
        return bytearray(b"a long PIN")


def test_lock_does_not_wait_for_who_is_asked_for_the_pin(pin: PinBench) -> None:
    with pytest.raises(KeysDestroyed, match="lock"):
        open_guard(
            GuardSettings(GuardKind.PIN),
            pin.folder,
            store_exists=False,
            ask_pin=Hesitant(pin.folder),
            now=moment,
        )
    assert [path.name for path in pin.folder.iterdir()] == ["keys.destroyed"]


def test_lock_waits_for_no_process_that_hangs(pin: PinBench) -> None:
    descriptor = os.open(pin.folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    destroy_keys(GuardSettings(GuardKind.PIN), pin.folder, "lock", wait_s=0.0)
    os.close(descriptor)
    assert [path.name for path in pin.folder.iterdir()] == ["keys.destroyed"]


@needs_tpm
def test_a_tpm_that_did_not_answer_lets_go_at_the_next_start(tmp_path: Path) -> None:
    card, copy = tmp_path / "card", tmp_path / "copy"
    with software_tpm.powered_tpm(tmp_path / "tpm") as address:
        guard = open_guard(GuardSettings(GuardKind.TPM, address), card, store_exists=False)
        shutil.copytree(card, copy)
    with pytest.raises(GuardUnavailable):
        guard.destroy("the enclosure was opened")
    assert [path.name for path in card.iterdir()] == ["keys.destroyed"]
    with software_tpm.powered_tpm(tmp_path / "tpm") as address:
        settings = GuardSettings(GuardKind.TPM, address)
        with pytest.raises(KeysDestroyed, match="enclosure"):
            open_guard(settings, card, store_exists=True)
        with pytest.raises(KeysDamaged, match="does not open"):
            open_guard(settings, copy, store_exists=True)


@needs_tpm
def test_a_changed_boot_closes_the_keys(tmp_path: Path) -> None:
    from tpm2_pytss import ESAPI, ESYS_TR, TPM2_ALG, TPML_DIGEST_VALUES, TPMT_HA, TPMU_HA

    card = tmp_path / "card"
    with software_tpm.powered_tpm(tmp_path / "measured") as address:
        settings = GuardSettings(GuardKind.TPM, address, (7,))
        guard = open_guard(settings, card, store_exists=False)
        with ESAPI(address) as tpm:
            measured = TPMT_HA(hashAlg=TPM2_ALG.SHA256, digest=TPMU_HA(sha256=b"another boot file".ljust(32)))
            tpm.pcr_extend(ESYS_TR.PCR7, TPML_DIGEST_VALUES([measured]))
        for use in (lambda: open_guard(settings, card, store_exists=False), lambda: guard.sign(b"x")):
            with pytest.raises(KeysDamaged, match="measured"):
                use()
