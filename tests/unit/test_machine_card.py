"""The claim file leaves the open part of the card, and the clock has a floor."""

from __future__ import annotations

import os
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import pytest

from firmware.clock import Clock, machine_quality
from firmware.first_boot.mark import MARK, is_over
from firmware.machine import fault
from firmware.machine.claim_file import Claimed, take_claim_file
from firmware.records import ClockQuality
from firmware.uplink.time_hints import TimeHints
from tests.unit.test_claim_file import CLAIM
from trust.claim_file import NAME

FLOOR = Path(__file__).parents[2] / "image-build/overlay/usr/lib/aidpost/clock-floor"


@pytest.fixture
def card(tmp_path: Path) -> tuple[Path, Path]:
    folders = (tmp_path / "selector", tmp_path / "data")
    for folder in folders:
        folder.mkdir()
    return folders


def test_a_claim_file_is_taken_once(card: tuple[Path, Path]) -> None:
    selector, data = card
    assert take_claim_file(selector, data, set_up=False) is Claimed.NONE
    text = CLAIM.to_text()
    (selector / NAME).write_text(text)
    assert take_claim_file(selector, data, set_up=False) is Claimed.TAKEN
    assert list(selector.iterdir()) == []
    assert (data / NAME).read_text() == text
    assert (data / NAME).stat().st_mode & 0o777 == 0o600
    assert take_claim_file(selector, data, set_up=False) is Claimed.NONE
    (selector / NAME).write_bytes(bytes(len(text)))  # the power failed before it was removed
    assert take_claim_file(selector, data, set_up=False) is Claimed.TAKEN
    assert list(selector.iterdir()) == []
    assert (data / NAME).read_text() == text


def test_a_file_that_cannot_be_read_stays_to_be_corrected_and_takes_no_good_ones_place(
    card: tuple[Path, Path],
) -> None:
    selector, data = card
    (selector / NAME).write_text("secret")
    assert take_claim_file(selector, data, set_up=False) is Claimed.UNUSABLE
    assert (selector / NAME).read_text() == (data / NAME).read_text() == "secret"
    (data / NAME).write_text(CLAIM.to_text())
    assert take_claim_file(selector, data, set_up=False) is Claimed.UNUSABLE
    assert (data / NAME).read_text() == CLAIM.to_text()


@pytest.mark.parametrize("text", [CLAIM.to_text(), "secret"])
def test_an_appliance_that_is_set_up_takes_none_and_leaves_none_on_the_card(
    card: tuple[Path, Path], text: str
) -> None:
    selector, data = card
    config = data / "aidpost.toml"
    (data / MARK).touch()
    config.touch()
    assert not is_over(config, data)
    (data / MARK).unlink()
    assert is_over(config, data)
    (selector / NAME).write_text(text)
    (selector / "second name").hardlink_to(selector / NAME)
    assert take_claim_file(selector, data, set_up=True) is Claimed.REFUSED
    assert (selector / "second name").read_bytes() == bytes(len(text.encode()))
    assert not (selector / NAME).exists()
    assert not (data / NAME).exists()
    assert take_claim_file(selector, data, set_up=True) is Claimed.NONE


def test_a_claim_file_stays_until_it_is_safe(card: tuple[Path, Path]) -> None:
    selector, data = card
    (selector / NAME).write_text("secret")
    data.rmdir()
    with pytest.raises(OSError, match="cannot write"):
        take_claim_file(selector, data, set_up=False)
    assert (selector / NAME).read_text() == "secret"


@pytest.mark.skipif(os.geteuid() != 0, reason="the claim file is taken as root")
@pytest.mark.parametrize("name", [NAME, f"{NAME}.new"])
def test_a_link_in_the_appliances_folder_leads_root_nowhere(name: str) -> None:
    with tempfile.TemporaryDirectory() as made:  # tmp_path lies in a folder for root alone
        selector, data, other = (Path(made) / each for each in ("selector", "data", "other"))
        Path(made).chmod(0o755)
        selector.mkdir()
        data.mkdir()
        os.chown(data, 12345, 12345)
        other.write_text("of root")
        other.chmod(0o600)
        (data / name).symlink_to(other)
        (selector / NAME).write_text(CLAIM.to_text())
        with pytest.raises(OSError, match="denied"):
            take_claim_file(selector, data, set_up=False)
        assert other.read_text() == "of root"
        assert other.stat().st_uid == 0
        assert (selector / NAME).read_text() == CLAIM.to_text()
        (data / name).unlink()
        assert take_claim_file(selector, data, set_up=False) is Claimed.TAKEN
        assert (data / NAME).stat().st_uid == 12345
    assert os.geteuid() == os.getegid() == 0


def test_the_time_is_kept_and_an_earlier_floor_moves_no_clock(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    environment = {**os.environ, "AIDPOST_CLOCK": str(kept)}

    def floor(word: str) -> str:
        return subprocess.run(
            [FLOOR, word], env=environment, check=True, capture_output=True, text=True
        ).stdout

    assert floor("begin") == ""
    floor("keep")
    assert kept.exists()
    os.utime(kept, (1, 1))
    assert floor("begin") == ""
    floor("keep")
    assert kept.stat().st_mtime > 1


def test_a_time_server_is_believed_until_the_aggregator_says_otherwise(tmp_path: Path) -> None:
    mark = tmp_path / "clock-synchronised"
    hints = TimeHints()
    clock = Clock(
        monotonic_ns=lambda: 0,
        wall_ns=lambda: 10**18,
        judge=hints.judge,
        machine=partial(machine_quality, mark),
    )
    assert clock.now().quality is ClockQuality.UNSET
    mark.touch()
    assert clock.now().quality is ClockQuality.SYNCHRONISED
    hints.hear(2 * 10**18, asked_ns=0, heard_ns=0)
    assert clock.now().quality is ClockQuality.WRONG


def test_why_the_partition_stays_closed_is_left_for_whoever_shows_it(tmp_path: Path) -> None:
    path = tmp_path / "run" / "fault"
    assert "another card" in fault.sentence(path)
    fault.note("the fuses are blank", path)
    assert fault.sentence(path) == "the fuses are blank"
