"""A card in a file: its table as the image has it, in small, and what sfdisk reads of it afterwards."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from imaging.disk import make_hybrid, script, size_mib
from imaging.recipe import Disk

MIB = 1 << 20
SFDISK = "/usr/sbin/sfdisk"
SMALL = Disk(selector_mib=1, boot_mib=1, root_mib=1, data_mib=16)
IMAGE_BYTES = size_mib(SMALL) * MIB
DATA = 6


def make_card(
    path: Path, card_bytes: int, table: str = "", image_bytes: int = IMAGE_BYTES, sizes: Disk = SMALL
) -> None:
    """Write the image, with another table where one is given, and lay it onto a card of `card_bytes`."""
    path.write_bytes(b"")
    os.truncate(path, image_bytes)
    given = table or script(sizes)
    subprocess.run([SFDISK, "--quiet", path], input=given, check=True, text=True, capture_output=True)
    if not table:
        make_hybrid(path, list(table_of(path).values()))
    os.truncate(path, card_bytes)


def table_of(path: Path) -> dict[str, tuple[int, int]]:
    """Return start and size in sectors of each partition, by label; fails if the first table is not whole."""
    return {part["name"]: (part["start"], part["size"]) for part in _read(path)}


def master_boot_record(path: Path) -> list[tuple[int, int, int]]:
    """Return type, start and size of each of its entries."""
    parts = _read(path, "--label-nested", "dos")
    return [(int(part["type"], 16), part["start"], part["size"]) for part in parts]


def _read(path: Path, *words: str) -> list[dict[str, Any]]:
    read = subprocess.run([SFDISK, *words, "--json", path], check=True, text=True, capture_output=True)
    assert "corrupt" not in read.stderr, read.stderr
    parts: list[dict[str, Any]] = json.loads(read.stdout)["partitiontable"]["partitions"]
    return parts
