"""What an update fetches is counted in blocks that the appliance lacks."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from imaging.bundle import BLOCK_BYTES
from imaging.cli import main
from imaging.difference import fetched_bytes


def build(folder: Path, root: bytes, boot: bytes) -> Path:
    """Write what `build` leaves of a slot; each letter is a block."""
    folder.mkdir()
    for name, letters in (("root.img", root), ("boot.img", boot)):
        (folder / name).write_bytes(b"".join(bytes([letter]) * BLOCK_BYTES for letter in letters))
    return folder


def test_moved_and_empty_blocks_cost_nothing(tmp_path: Path) -> None:
    held = build(tmp_path / "held", b"abcdef", b"k")
    wanted = build(tmp_path / "wanted", b"xfabcx\0\0", b"ka")
    names = ("root.img", "boot.img")
    assert (
        fetched_bytes([held / name for name in names], [wanted / name for name in names]) == 2 * BLOCK_BYTES
    )
    found = CliRunner().invoke(main, ["difference", str(held), str(wanted)])
    assert found.output == f"An appliance with {held} fetches 0.0 MB of {wanted}.\n"


def test_a_folder_without_a_build_is_named(tmp_path: Path) -> None:
    found = CliRunner().invoke(main, ["difference", str(tmp_path), str(tmp_path)])
    assert found.exit_code == 1
    assert "root.img" in found.output
