"""The board's pins on a real kernel: gpiozero through libgpiod, in the image's Python, without its system.

QEMU's `virt` has a chip of eight lines, one of them pulled by the machine's power button: outputs, pulses,
edges. Its `raspi3b` with the device tree of the Zero 2 W has the header's own chip, whose lines are idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from imaging import archives, initrd, recipe, toolbox
from tests.image.pins_in_guest import READY
from tests.image.result import Notes
from tests.image.stage import Stage
from tests.image.tools import CACHE, REPOSITORY, qemu

MACHINES = {
    "chip": ("-M", "virt", "-cpu", "cortex-a72", "-m", "512", "-nic", "none", "-serial", "stdio"),
    # On this board the first UART is the radio's, and the second the header's.
    "board": ("-M", "raspi3b", "-serial", "null", "-serial", "stdio"),
}
CONSOLES = {"chip": "ttyAMA0", "board": "ttyS1,115200"}
DEVICE_TREE = "bcm2837-rpi-zero-2-w.dtb"
WORDS = "rdinit=/init panic=5 quiet"
PATIENCE_S = 600.0
SITE = "usr/lib/aidpost/venv/lib/python3.13/site-packages"
PYTHON = "usr/bin/python3.13"
# Of the image's root: the standard library, and what the pins need of the environment.
PARTS = ("usr/lib/python3.13", *(f"{SITE}/{name}" for name in ("gpiod", "gpiozero", "colorzero", "sensors")))
ENDED = json.dumps({"holds": False, "text": "the trial goes to its end"})
INIT = f"""#!/usr/bin/busybox sh
/usr/bin/busybox mount -t devtmpfs dev /dev
/usr/bin/busybox mount -t proc proc /proc
/usr/bin/busybox mount -t sysfs sys /sys
PYTHONPATH=/{SITE} /{PYTHON} -B /pins.py "$trial" || echo 'PINS {ENDED}'
echo PINS done
/usr/bin/busybox reboot -f
"""


async def scenario(stage: Stage, notes: Notes) -> None:
    """Start both machines, one after the other."""
    kernel, tree, files = await asyncio.to_thread(_parts, stage)
    for trial, machine in MACHINES.items():
        words = (*machine, "-kernel", str(kernel), "-initrd", str(files))
        if trial == "board":
            words = (*words, "-dtb", str(tree))
        await _try(trial, words, stage.folder, notes)


async def _try(trial: str, machine: tuple[str, ...], folder: Path, notes: Notes) -> None:
    monitor = folder / f"{trial}.monitor"
    words = f"{WORDS} console={CONSOLES[trial]} trial={trial}"
    process = await asyncio.create_subprocess_exec(
        *qemu(), *machine, "-append", words, "-display", "none", "-no-reboot",
        "-monitor", f"unix:{monitor},server=on,wait=off",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            with (folder / f"{trial}.log").open("wb") as log:
                async for line in process.stdout:
                    log.write(line)
                    said = line.decode(errors="replace").partition("PINS ")[2].strip()
                    if READY in line.decode(errors="replace"):
                        await _press(monitor)
                    elif said == "done":
                        return
                    elif said:
                        found = json.loads(said)
                        notes.check(found["holds"], f"{trial}: {found['text']}")
            notes.wrong(f"{trial}: QEMU ended before the trial did; see {trial}.log")
    except TimeoutError:
        notes.wrong(f"{trial}: not done after {PATIENCE_S:.0f} s; see {trial}.log")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _press(monitor: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(monitor)
    await reader.readuntil(b"(qemu) ")
    writer.write(b"system_powerdown\n")
    await writer.drain()
    await reader.readuntil(b"(qemu) ")
    writer.close()


def _parts(stage: Stage) -> tuple[Path, Path, Path]:
    """Return kernel, device tree and an initial file system with the image's Python. Raises CommandFailed."""
    built, folder = stage.built.folder.resolve(), stage.folder.resolve()
    wanted = recipe.load()
    tools = toolbox.have(wanted, archives.pinned(wanted.debian), CACHE.resolve(), (built, folder))
    root = folder / "root"
    tools.run("fsck.erofs", f"--extract={root}", built / "root.img")
    for name in ("kernel8.img", DEVICE_TREE):
        tools.run("mcopy", "-o", "-i", built / "boot.img", f"::{name}", folder / name)
    init = folder / "init"
    init.write_text(INIT)
    modules = next((root / "usr/lib/modules").iterdir())
    extension = next((root / SITE / "gpiod").glob("_ext.*.so")).relative_to(root)
    programs = ("/usr/bin/busybox", f"/{PYTHON}", f"/{extension}")
    base = initrd.make(root, modules, (), tools, init=init, programs=programs)
    trial = {"pins.py": (stat.S_IFREG | 0o644, (REPOSITORY / "tests/image/pins_in_guest.py").read_bytes())}
    rest = initrd.archive({**trial, **_entries(root, PARTS)}, 0)
    files = folder / "initrd"
    files.write_bytes(base + bytes(-len(base) % 512) + rest)
    shutil.rmtree(root)
    return folder / "kernel8.img", folder / DEVICE_TREE, files


def _entries(root: Path, parts: Iterable[str]) -> initrd.Entries:
    """Return the folders and files below these parts of the root, and the folders that lead there."""
    entries: initrd.Entries = {}
    for part in parts:
        for path in ((root / part), *(root / part).rglob("*")):
            name = str(path.relative_to(root))
            if path.is_dir():
                entries[name] = (stat.S_IFDIR | 0o755, b"")
            elif path.is_file():
                entries[name] = (stat.S_IFREG | 0o755, path.read_bytes())
        for parent in Path(part).parents[:-1]:
            entries.setdefault(str(parent), (stat.S_IFDIR | 0o755, b""))
    return entries
