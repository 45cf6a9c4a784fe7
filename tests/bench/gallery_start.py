"""What a gallery costs at the start of an appliance: time to open it and make it ready, and memory.

Run as ``python -m tests.bench.gallery_start`` (``--entries N``, ``--fingers`` how many; fingers take a while
to make, and ``--folder`` keeps the store for the next run). Each is measured in a process of its own that
has loaded the models. Times are of the processor: the same on a machine that others use too.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click

from firmware.config import Camera, Config, Device, Fingerprint, Keys
from firmware.recognition import Recognition, build_recognition
from firmware.store.entries import insert_all
from firmware.store.reference import Reference
from inference.types import Template
from tests.kit.store_values import (
    PURPOSE,
    SITE,
    face_template,
    finger_template,
    open_store,
    protected,
    protection,
)
from trust.keys.guard import GuardKind

SEEDS = 50  # different templates; making 10,000 different ones takes longer than what is measured
HOLDS = ("a face, two samples", "a face and one finger, two samples each", "a face and two fingers, two each")
_MEMORY = re.compile(r"Vm(HWM|RSS):\s+(\d+) kB")


def recognition_of(folder: Path) -> Recognition:
    """Return what an appliance with both sensors loads."""
    config = Config(
        device=Device(id="post-1", site=SITE, purpose=PURPOSE, data=folder),
        keys=Keys(guard=GuardKind.FILE),
        camera=Camera(driver="replay"),
        fingerprint=Fingerprint(model="R503", port="none"),
    )
    return build_recognition(config, protection())


def fill(folder: Path, entries: int, fingers: int) -> None:
    """Make a store with so many entries."""
    recognition = recognition_of(folder)
    face, finger = recognition.face, recognition.finger
    if face is None or finger is None:
        raise AssertionError("both are configured")

    def templates(seed: int) -> tuple[Template, ...]:
        faces = [replace(face_template(seed + k), made_by=face.made_by, frames=2) for k in range(2)]
        of_fingers = [replace(finger_template(seed + k), made_by=finger.made_by) for k in range(2 * fingers)]
        return (*faces, *of_fingers)

    store = open_store(folder)
    made = [templates(seed) for seed in range(SEEDS)]
    for start in range(0, entries, 500):
        references = []
        for number in range(start, min(start + 500, entries)):
            entry_id = os.urandom(16)
            shown = protected(made[number % SEEDS], entry_id)
            references.append(Reference(entry_id, f"card-{number}", shown, PURPOSE, SITE))
        with store._journal.transaction() as database:
            insert_all(database, store.entry_keys, references)
    store.close()


def memory_mb() -> dict[str, float]:
    """Return the process's memory now (RSS) and at most (HWM), in MB."""
    status = Path("/proc/self/status").read_text()
    return {kind: int(kb) * 1024 / 1e6 for kind, kb in _MEMORY.findall(status)}


def measure(folder: Path) -> str:
    """Return the columns of a row: seconds of the processor and MB."""
    matcher = recognition_of(folder).matcher
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before_mb, began_s = memory_mb()["RSS"], time.process_time()
    store = open_store(folder)
    opened_s = time.process_time() - began_s
    for batch in store.gallery.batches(PURPOSE):
        if matcher.take_up_all(batch):
            raise AssertionError("an entry was refused")
    total_s, after_mb = time.process_time() - began_s, memory_mb()
    entries = matcher.size
    store.close()
    kept_mb, peak_mb = after_mb["RSS"] - before_mb, after_mb["HWM"] - before_mb
    return (
        f"{entries:,} | {opened_s:.2f} s | {total_s - opened_s:.2f} s | {total_s:.2f} s "
        f"| {kept_mb:.0f} MB | {peak_mb:.0f} MB |"
    )


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--entries", type=int, default=10_000)
    arguments.add_argument("--fingers", type=int, choices=(0, 1, 2), action="append")
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.measure is not None:
        click.echo(measure(given.measure))
        return
    click.echo("| Each has | Entries | Opened | Read, ready | In all | Memory | Peak |")
    click.echo("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        for fingers in given.fingers or (0, 1, 2):
            folder = (given.folder or Path(temporary)) / f"{given.entries}-{fingers}"
            if not folder.exists():
                folder.mkdir(parents=True)
                fill(folder, given.entries, fingers)
            command = [sys.executable, "-m", "tests.bench.gallery_start", "--measure", str(folder)]
            row = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
            click.echo(f"| {HOLDS[fingers]} | {row}")


if __name__ == "__main__":
    main()
