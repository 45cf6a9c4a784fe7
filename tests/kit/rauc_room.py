"""A folder with everything that an appliance's updates need: bundles, slots in files, the selector, keys.

The configuration is the image's own with other paths, and so are the backend and the handler that RAUC runs.
"""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path

from imaging.bundle import BLOCK_BYTES, Contents, make
from imaging.keys import make as make_keys
from tests.kit.slot_machine import Firmware

BLOCKS = 128
CHANGED = 3
RUNNING, NEW, NEXT = "1.1.0", "1.2.0", "1.3.0"
BUNDLES = {
    "new": NEW,
    "next": NEXT,
    "older": "1.0.0",
    "same": RUNNING,
    "foreign": "1.4",
    "strange": "1.5",
    "tampered": "1.6",
}
_OVERLAY = Path(__file__).parents[2] / "image-build" / "overlay"
_BACKEND = """\
#!{python}
import sys
from pathlib import Path
from firmware.slots.backend import answer
from firmware.slots.selector import Selector
from tests.kit.slot_machine import machine_in
room = Path({room!r})
machine = machine_in(room)
print(answer(machine, Selector(machine.selector), sys.argv[1:]), end="\\n")
"""
_FORWARD = """\
#!{python}
from pathlib import Path
from firmware.slots import forward
forward.main(Path({room!r}) / "version")
"""


def image(version: str) -> bytes:
    """The root of a version: the next one differs in a few blocks, the others in all."""
    seed = NEW if version == NEXT else version
    content = bytearray(random.Random(seed).randbytes(BLOCKS * BLOCK_BYTES))  # noqa: S311 -- the same each time
    if version == NEXT:
        for block in range(0, BLOCKS, BLOCKS // CHANGED):
            content[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES] = bytes([1]) * BLOCK_BYTES
    return bytes(content)


def make_room(folder: Path) -> None:
    """Make the bundles of all kinds."""
    keys, others = make_keys(folder / "keys"), make_keys(folder / "others")
    for kind, version in BUNDLES.items():
        root, boot = folder / "root.img", folder / "boot.img"
        root.write_bytes(image(version))
        boot.write_bytes(version.encode().ljust(BLOCK_BYTES))
        contents = Contents(root, boot, version)
        if kind == "strange":
            contents = replace(contents, compatible="something-else")
        make(contents, others if kind == "foreign" else keys, bundle(folder, kind))
    content = bytearray(bundle(folder, "tampered").read_bytes())
    content[len(content) // 3] ^= 1
    bundle(folder, "tampered").write_bytes(content)


def bundle(folder: Path, kind: str) -> Path:
    return folder / f"{kind}.raucb"


def make_machine(folder: Path, bundles: Path) -> Firmware:
    """Make the slots in files, the selector, and RAUC's configuration."""
    machine = Firmware(folder)
    (folder / "data").mkdir()
    (folder / "version").write_text(f"{RUNNING}\n")
    for slot in ("a", "b"):
        (folder / f"root_{slot}").write_bytes(image(RUNNING) if slot == "a" else bytes(BLOCKS * BLOCK_BYTES))
        (folder / f"boot_{slot}").write_bytes(bytes(BLOCK_BYTES))
    for name, text in (("aidpost-tryboot", _BACKEND), ("aidpost-forward", _FORWARD)):
        (folder / name).write_text(text.format(python=sys.executable, room=str(folder)))
        (folder / name).chmod(0o755)
    config = (_OVERLAY / "etc/rauc/system.conf").read_text()
    for path, here in (
        ("/dev/aidpost", folder),
        ("/usr/lib/rauc", folder),
        ("/data/rauc", folder / "data"),
        ("/etc/rauc", bundles / "keys"),
    ):
        assert path in config
        config = config.replace(path, str(here))
    (folder / "system.conf").write_text(config)
    return machine
