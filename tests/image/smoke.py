"""Builds what has changed of the image and boots it to the appliance that serves: `make image-smoke`.

With --unless-tried nothing is done where image-build/tried.json names what the image is made of now; what
cannot be tried on this machine is said then and is no fault, while an image that does not boot is one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.image import tried
from tests.image.console import Line, NotSaid
from tests.image.disk import Disk
from tests.image.first_boot import ready_s
from tests.image.machine import Machine, Plugs
from tests.image.tools import REPOSITORY, ToolMissing

OUT = REPOSITORY / "out" / "image"
# Scenarios in which this very image got to an appliance that serves.
BOOTED = frozenset({"boot", "life", "power-cuts"})
# Longer is a network that does not come, and CI has other things to do.
BUILD_S = 1500.0
# Systemd says every few seconds what it waits for, however slow the machine is: who says nothing hangs.
SILENT_S = 240.0
# What a failed boot says; a slow machine says none of it.
BROKEN = ("Kernel panic", "Failed to start aidpost.service", "is not what this slot was signed with")


@dataclass(frozen=True, slots=True)
class NotTried:
    """This machine could not try it."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The image does not do what it should."""

    why: str


@dataclass(frozen=True, slots=True)
class Booted:
    """It serves, this long after the start."""

    ready_s: float


def build() -> NotTried | Failed | None:
    """Build the image as `make image` does; None where it is there now."""
    if os.geteuid() != 0:
        return NotTried("the build of the image needs root's rights")
    building = subprocess.Popen(
        ["/usr/bin/make", "--silent", "image"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = building.communicate(timeout=BUILD_S)
    except subprocess.TimeoutExpired:
        # With all that it started: one that is left would hold the pipe, and this process with it.
        os.killpg(building.pid, signal.SIGKILL)
        building.communicate()
        return NotTried(f"the build took longer than {BUILD_S / 60:.0f} minutes")
    if building.returncode == 0:
        return None
    said = output.decode(errors="replace").strip()[-1500:]
    return NotTried(said) if is_of_this_machine(said) else Failed(f"the image cannot be built:\n{said}")


def is_of_this_machine(said: str) -> bool:
    """Say whether a build failed because of where it ran, by the end of what it said.

    Steps that fetch always give the same advice: what the archive does not know is the recipe's fault.
    """
    if any(word in said for word in ("Unable to locate package", "no installation candidate", "not there")):
        return False
    return any(word in said for word in ("over the network", "another build", "PyPI", "free in"))


async def boot(out: Path, folder: Path) -> NotTried | Failed | Booted:
    """Boot a copy of the built card."""
    try:
        disk = await asyncio.to_thread(Disk(out / "disk.img").copy, folder / "card.img")
        async with Machine(disk, folder, Plugs(agent=False, append="systemd.show_status=1")) as machine:
            try:
                return Booted(await ready_s(machine))
            except NotSaid as silence:
                fault = broken(machine.console.lines, machine.console.now_s(), len(machine.boots))
                return fault or NotTried(f"this machine is too slow: {silence}")
    except ToolMissing as missing:
        return NotTried(str(missing))


def broken(lines: Sequence[Line], now_s: float, boots: int) -> Failed | None:
    """Return what the console of a machine that did not get to an appliance shows to be the image's fault."""
    for line in lines:
        if any(words in line.text for words in BROKEN):
            return Failed(line.text)
    if boots > 1:
        return Failed("the machine started anew by itself")
    last = lines[-1] if lines else Line(0.0, 1, "nothing at all")
    if (silent_s := now_s - last.at_s) > SILENT_S:
        return Failed(f"the machine hangs: it has said nothing for {silent_s:.0f} s after {last.text!r}")
    return None


def main() -> None:
    """Build, boot and say how it went."""
    parser = argparse.ArgumentParser(prog="make image-smoke", description=__doc__)
    parser.add_argument("--unless-tried", action="store_true", help="as continuous integration does it")
    options = parser.parse_args()
    last = tried.read()
    booted = last is not None and last.digest == tried.digest() and not BOOTED.isdisjoint(last.scenarios)
    if options.unless_tried and last is not None and booted:
        sys.stdout.write(f"The image is made of what was tried at {last.commit[:9]}: nothing to boot.\n")
        return
    begun_s = time.monotonic()
    sys.stdout.write("Building what has changed of the image ...\n")
    sys.stdout.flush()
    found: NotTried | Failed | Booted | None = build()
    if found is None:
        sys.stdout.write(f"Built in {time.monotonic() - begun_s:.0f} s. Booting it ...\n")
        sys.stdout.flush()
        with tempfile.TemporaryDirectory(prefix="aidpost-smoke-") as folder:
            found = asyncio.run(boot(OUT, Path(folder)))
    match found:
        case Booted(ready):
            sys.stdout.write(f"The appliance serves {ready:.0f} s after the machine was switched on.\n")
        case NotTried(why):
            sys.stdout.write(f"THE IMAGE WAS NOT TRIED: {why}\n")
            sys.exit(0 if options.unless_tried else 1)
        case Failed(why):
            sys.exit(f"The image does not boot to an appliance that serves: {why}")


if __name__ == "__main__":
    main()
