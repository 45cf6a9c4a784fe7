"""A card in a file: its table as sfdisk makes it for the image, and what sfdisk reads of it afterwards."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

MIB = 1 << 20
SFDISK = "/usr/sbin/sfdisk"
TABLE = "label: gpt\nfirst-lba: 2048\nsize=1MiB, name=selector\nsize=16MiB, name=data\n"


def make_card(path: Path, card_bytes: int, table: str = TABLE, image_bytes: int = 19 * MIB) -> None:
    """Write the image, as large as it has to be, and lay it onto a card of `card_bytes`."""
    path.write_bytes(b"")
    os.truncate(path, image_bytes)
    subprocess.run([SFDISK, "--quiet", path], input=table, check=True, text=True, capture_output=True)
    os.truncate(path, card_bytes)


def table_of(path: Path) -> dict[str, tuple[int, int]]:
    """Return start and size in sectors of each partition, by label; fails if the first table is not whole."""
    read = subprocess.run([SFDISK, "--json", path], check=True, text=True, capture_output=True)
    assert "corrupt" not in read.stderr, read.stderr
    parts = json.loads(read.stdout)["partitiontable"]["partitions"]
    return {part["name"]: (part["start"], part["size"]) for part in parts}
