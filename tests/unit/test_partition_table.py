"""The card's last partition grows to the end of the card, and no power cut loses the table."""

from __future__ import annotations

import fcntl
import itertools
import shutil
from pathlib import Path

import pytest

from firmware.machine.partition_table import (
    SECTOR_BYTES,
    TableNotUnderstood,
    Write,
    grow_last,
    held,
    write_sectors,
)
from imaging.disk import script
from tests.kit.card_table import (
    DATA,
    IMAGE_BYTES,
    MIB,
    SFDISK,
    SMALL,
    make_card,
    master_boot_record,
    table_of,
)

pytestmark = pytest.mark.skipif(not Path(SFDISK).exists(), reason="no sfdisk: image-build/host-packages.sh")

CARD_BYTES = 64 * MIB + 5 * SECTOR_BYTES
WRITES = 6


class PowerCut(Exception):
    """Nothing more is written."""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    make_card(tmp_path / "card", CARD_BYTES)
    return tmp_path / "card"


def test_the_last_partition_reaches_to_the_end_of_the_card(card: Path) -> None:
    before = table_of(card)
    assert grow(card) == 57 * MIB // SECTOR_BYTES
    assert master_boot_record(card)[:3] == [
        (0x0C, *before[each]) for each in ("selector", "boot_a", "boot_b")
    ]
    grown = {**before, "data": (before["data"][0], 57 * MIB // SECTOR_BYTES)}
    assert table_of(card) == grown
    content = card.read_bytes()
    assert grow(card) == grown["data"][1]
    assert card.read_bytes() == content
    # The copy at the end serves where the first table is lost.
    write_first(card, bytes(SECTOR_BYTES))
    with pytest.raises(AssertionError, match="backup appears OK"):
        table_of(card)


def grow(card: Path, write: Write = write_sectors) -> int:
    with held(card) as descriptor:
        return grow_last(descriptor, DATA, write)


def write_first(card: Path, content: bytes) -> None:
    with card.open("r+b") as file:
        file.seek(SECTOR_BYTES)
        file.write(content)


def cut_at(number: int) -> Write:
    """A writer whose power fails in write `number` // 2, after half of its sectors (even) or all (odd)."""
    writes = itertools.count()

    def write(descriptor: int, sector: int, content: bytes) -> None:
        write_number = next(writes)
        if number == 2 * write_number:
            half = len(content) // SECTOR_BYTES // 2 * SECTOR_BYTES
            write_sectors(descriptor, sector, content[:half])
            raise PowerCut
        write_sectors(descriptor, sector, content)
        if number == 2 * write_number + 1:
            raise PowerCut

    return write


@pytest.mark.parametrize("cut", range(2 * WRITES))
def test_a_cut_leaves_a_whole_table_and_the_next_start_ends_it(card: Path, tmp_path: Path, cut: int) -> None:
    before = table_of(card)
    whole = tmp_path / "whole"
    shutil.copy(card, whole)
    grow(whole)
    with pytest.raises(PowerCut):
        grow(card, cut_at(cut))
    assert table_of(card) in (before, table_of(whole))
    for again in range(cut % 4, 2 * WRITES, 4):
        try:
            grow(card, cut_at(again))
        except PowerCut:
            assert table_of(card) in (before, table_of(whole))
    grow(card)
    assert card.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("card_bytes", [IMAGE_BYTES, IMAGE_BYTES + 20 * SECTOR_BYTES])
def test_it_stays_where_the_card_has_no_more_room(tmp_path: Path, card_bytes: int) -> None:
    make_card(tmp_path / "card", card_bytes)
    content = (tmp_path / "card").read_bytes()
    assert grow(tmp_path / "card") == 16 * MIB // SECTOR_BYTES
    assert (tmp_path / "card").read_bytes() == content


def test_udev_is_kept_away_while_the_table_is_written(card: Path) -> None:
    with card.open("rb") as udev:
        with held(card), pytest.raises(BlockingIOError):
            fcntl.flock(udev, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(udev, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_it_does_not_grow_over_a_partition_behind_it(tmp_path: Path) -> None:
    make_card(tmp_path / "card", CARD_BYTES, f"{script(SMALL)}\nsize=1MiB, name=other\n", IMAGE_BYTES + MIB)
    assert grow(tmp_path / "card") == 16 * MIB // SECTOR_BYTES
    assert table_of(tmp_path / "card")["data"][1] == 16 * MIB // SECTOR_BYTES


@pytest.mark.parametrize(("table", "at"), [("label: dos\nsize=1MiB\n", None), ("", 520), ("", 1100)])
def test_nothing_is_written_to_a_table_that_is_not_understood(
    tmp_path: Path, table: str, at: int | None
) -> None:
    card = tmp_path / "card"
    make_card(card, CARD_BYTES, table)
    if at is not None:
        with card.open("r+b") as file:
            file.seek(at)
            file.write(b"\x99")
    content = card.read_bytes()
    with pytest.raises(TableNotUnderstood):
        grow(card)
    assert card.read_bytes() == content
    assert card.stat().st_size == CARD_BYTES
