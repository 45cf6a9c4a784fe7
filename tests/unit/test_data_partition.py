"""The data partition opens with this board's secret, is made once, and is never made over anything."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from firmware.guard.virtual_board import VirtualMailbox
from firmware.guard.wrapping import context_of
from firmware.machine.open_data import PartitionRefused, open_data
from firmware.machine.partition import LuksPartition, cipher_for
from firmware.machine.partition_key import (
    PartitionNote,
    PartitionSettings,
    partition_key,
    read_note,
    write_note,
)
from firmware.machine.settings import partition_settings
from tests.kit.fake_mailbox import FakeMailbox
from tests.kit.played_partition import PlayedPartition, PowerCut
from tests.kit.software_tpm import powered_tpm, why_there_is_none
from trust.claim_file import NAME
from trust.keys.errors import GuardError, GuardMisconfigured, GuardUnavailable, KeysDamaged
from trust.keys.guard import GuardKind

OTP, FILE = PartitionSettings(GuardKind.OTP), PartitionSettings(GuardKind.FILE)
FUSED = PartitionSettings(GuardKind.OTP, fuse=True)


@pytest.fixture
def board() -> FakeMailbox:
    board = FakeMailbox()
    board.rows = list(range(1, 9))
    return board


@pytest.mark.parametrize("settings", [OTP, FILE], ids=["otp", "file"])
def test_it_is_made_once_and_opens_at_each_later_start(
    tmp_path: Path, board: FakeMailbox, settings: PartitionSettings
) -> None:
    partition = PlayedPartition()
    assert open_data(tmp_path, settings, partition, board) is True
    for _ in range(2):
        partition.switch_off()
        assert open_data(tmp_path, settings, partition, board) is False
        assert partition.opened
    assert partition.file_system == 1


@pytest.mark.parametrize("step", ["grow", "encrypt", "add_key", "open", "make_file_system"])
def test_a_first_start_that_loses_power_is_begun_anew(tmp_path: Path, board: FakeMailbox, step: str) -> None:
    partition = PlayedPartition(cut_before=step)
    with pytest.raises(PowerCut):
        open_data(tmp_path, OTP, partition, board)
    partition.switch_off()
    assert open_data(tmp_path, OTP, partition, board) is True
    assert partition.opened


def test_nothing_is_written_over_what_does_not_open(tmp_path: Path, board: FakeMailbox) -> None:
    partition = PlayedPartition()
    open_data(tmp_path, OTP, partition, board)
    partition.switch_off()
    of_another_board = FakeMailbox()
    of_another_board.rows = [9] * 8
    with pytest.raises(KeysDamaged, match="back into the board"):
        open_data(tmp_path, OTP, partition, of_another_board)
    assert partition.file_system == 1

    header, partition.header = partition.header, None
    with pytest.raises(PartitionRefused, match="lost its header"):
        open_data(tmp_path, OTP, partition, board)
    partition.header = header
    open_data(tmp_path, OTP, partition, board)
    assert partition.file_system == 1


def test_nothing_is_written_over_what_somebody_else_made(tmp_path: Path, board: FakeMailbox) -> None:
    partition = PlayedPartition(holds="ext4")
    with pytest.raises(PartitionRefused, match="did not make"):
        open_data(tmp_path, OTP, partition, board)
    assert partition.holds == "ext4"
    assert read_note(tmp_path) is None


@pytest.mark.parametrize("says", ['"otp"', '"file"'], ids=["its guard", "another guard"])
def test_a_note_that_says_it_was_not_made_costs_nothing(
    tmp_path: Path, board: FakeMailbox, says: str
) -> None:
    partition = PlayedPartition()
    open_data(tmp_path, OTP, partition, board)
    partition.switch_off()
    header = partition.header
    path = tmp_path / "data.json"
    path.write_text(path.read_text().replace("true", "false").replace('"otp"', says))
    (tmp_path / "data.secret").write_bytes(bytes(32))
    if says == '"otp"':
        assert open_data(tmp_path, OTP, partition, board) is False
        note = read_note(tmp_path)
        assert note is not None
        assert note.made
    else:
        with pytest.raises(KeysDamaged, match="back into the board"):
            open_data(tmp_path, OTP, partition, board)
    assert (partition.header, partition.file_system) == (header, 1)


@pytest.mark.parametrize("damage", ["", "{", '{"version": 1}'], ids=["gone", "cut off", "half"])
def test_a_selector_that_was_lost_costs_nothing(tmp_path: Path, board: FakeMailbox, damage: str) -> None:
    partition = PlayedPartition()
    open_data(tmp_path, OTP, partition, board)
    partition.switch_off()
    (tmp_path / "data.json").write_text(damage)
    if not damage:
        (tmp_path / "data.json").unlink()
    assert open_data(tmp_path, OTP, partition, board) is False
    assert partition.opened
    note = read_note(tmp_path)
    assert note is not None
    assert note.made


def test_what_guards_it_stays_as_it_was_made(tmp_path: Path, board: FakeMailbox) -> None:
    """An update whose image has another default locks nobody out."""
    partition = PlayedPartition()
    open_data(tmp_path, FILE, partition, board)
    partition.switch_off()
    assert open_data(tmp_path, OTP, partition, board) is False


def test_blank_fuses_are_programmed_only_where_that_was_asked_for(tmp_path: Path) -> None:
    board, partition = FakeMailbox(), PlayedPartition()
    with pytest.raises(GuardUnavailable, match="blank"):
        open_data(tmp_path, OTP, partition, board)
    assert not any(board.rows)
    assert open_data(tmp_path, FUSED, partition, board) is True
    assert any(board.rows)


def test_no_pin_opens_it(tmp_path: Path, board: FakeMailbox) -> None:
    with pytest.raises(GuardMisconfigured, match="nobody is asked"):
        open_data(tmp_path, PartitionSettings(GuardKind.PIN), PlayedPartition(), board)


def test_another_partition_and_the_store_have_other_keys(tmp_path: Path, board: FakeMailbox) -> None:
    first, second = PlayedPartition(), PlayedPartition()
    for name, partition in (("a", first), ("b", second)):
        (tmp_path / name).mkdir()
        open_data(tmp_path / name, OTP, partition, board)
    assert first.header is not None
    assert second.header is not None
    assert first.header[1] != second.header[1]


def test_the_key_is_drawn_by_hkdf(tmp_path: Path, board: FakeMailbox) -> None:
    """As another library computes RFC 5869."""
    uuid = uuid4()
    with (
        partition_key(tmp_path, PartitionNote(settings=OTP, made=True), uuid, board) as key,
        key.view() as view,
    ):
        drawn = bytes(view)
    rows = b"".join(row.to_bytes(4, "little") for row in board.rows)
    assert drawn == HKDF(SHA256(), 32, uuid.bytes, context_of(GuardKind.OTP, "data partition")).derive(rows)


def test_without_its_library_a_tpm_is_refused_with_what_to_take(tmp_path: Path, board: FakeMailbox) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "sys.modules['tpm2_pytss'] = None  # as where it is not installed\n"
        "from firmware.machine.open_data import open_data\n"
        "from firmware.machine.settings import PartitionSettings\n"
        "from tests.kit.fake_mailbox import FakeMailbox\n"
        "from tests.kit.played_partition import PlayedPartition\n"
        "from trust.keys.guard import GuardKind\n"
        "partition = PlayedPartition()\n"
        "try:\n"
        "    open_data(Path(sys.argv[1]), PartitionSettings(GuardKind.TPM), partition, FakeMailbox())\n"
        "finally:\n"
        "    print(partition.header)\n"
    )
    words = [sys.executable, "-c", program, str(tmp_path)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "GuardMisconfigured" in ended.stderr
    assert "--guard otp" in ended.stderr
    assert ended.stdout == "None\n"
    assert open_data(tmp_path, OTP, PlayedPartition(), board) is True


@pytest.mark.skipif(why_there_is_none() is not None, reason=str(why_there_is_none()))
def test_a_tpm_opens_it_and_another_one_does_not(tmp_path: Path, board: FakeMailbox) -> None:
    partition = PlayedPartition()
    selector = tmp_path / "selector"
    selector.mkdir()
    with powered_tpm(tmp_path / "tpm") as address:
        settings = PartitionSettings(GuardKind.TPM, tpm=address)
        open_data(selector, settings, partition, board)
        partition.switch_off()
        assert open_data(selector, settings, partition, board) is False
    partition.switch_off()
    with powered_tpm(tmp_path / "other") as address:
        note = (selector / "data.json").read_text()
        (selector / "data.json").write_text(note.replace(settings.tpm, address))
        with pytest.raises(GuardError):
            open_data(selector, settings, partition, board)


def test_whoever_writes_the_card_says_what_guards_it(tmp_path: Path) -> None:
    selector, image = tmp_path / "selector", tmp_path / "image"
    selector.mkdir()
    image.mkdir()
    (image / "data.toml").write_text('guard = "tpm"\n')

    def settings() -> PartitionSettings:
        return partition_settings(selector, image, NAME)

    assert settings().guard is GuardKind.TPM
    for unread in ('[keys]\nguard = "pin"\n', f"guard = {'[' * 4000}"):
        (selector / NAME).write_text(unread)
        assert settings().guard is GuardKind.TPM
    (selector / NAME).write_text('[keys]\nguard = "otp"\n')
    assert settings() == FUSED
    (selector / "data.toml").write_text('guard = "file"\n')
    assert settings() == FILE
    for wrong in ('guard = "none"', 'guard = "otp"\nfuse = 1', f"guard = {'[' * 4000}"):
        (selector / "data.toml").write_text(wrong)
        with pytest.raises(GuardMisconfigured, match=r"^data\.toml on the card's .* or take it away"):
            settings()
    # Neither a mistake nor another wish closes a partition that was made.
    write_note(selector, PartitionNote(settings=OTP, made=False))
    with pytest.raises(GuardMisconfigured):
        settings()
    write_note(selector, PartitionNote(settings=OTP, made=True))
    assert settings() == OTP


def test_the_fuses_of_a_virtual_board_are_a_file(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("11" * 32)
    partition = PlayedPartition()
    assert open_data(tmp_path, FUSED, partition, VirtualMailbox(tmp_path / "raw")) is True
    (tmp_path / "raw").write_text("11" * 31)
    partition.switch_off()
    with pytest.raises(GuardUnavailable):
        open_data(tmp_path, FUSED, partition, VirtualMailbox(tmp_path / "raw"))


def test_the_cipher_is_one_that_the_processor_is_quick_at() -> None:
    assert "aes-xts-plain64" in cipher_for("Features\t: fp asimd aes pmull sha1 sha2\n")
    assert "xchacha12,aes-adiantum-plain64" in cipher_for("Features\t: fp asimd evtstrm crc32\n")


@pytest.mark.skipif(
    shutil.which("cryptsetup", path="/usr/sbin:/sbin") is None,
    reason="no cryptsetup: image-build/host-packages.sh",
)
def test_a_blank_device_is_blank_and_no_luks(tmp_path: Path) -> None:
    device = tmp_path / "device"
    device.write_bytes(bytes(1 << 20))
    partition = LuksPartition(device)
    assert partition.is_blank()
    assert partition.uuid() is None


def test_a_card_without_the_partition_is_to_be_written_anew(tmp_path: Path) -> None:
    with pytest.raises(GuardUnavailable, match="write the card anew"):
        LuksPartition(tmp_path / "data").uuid()
