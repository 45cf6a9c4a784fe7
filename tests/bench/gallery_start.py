"""What a gallery costs at the start of an appliance: time to read it and make it ready, and memory.

Run as ``python -m tests.bench.gallery_start`` (``--entries N``, ``--faces`` alone; fingers take a while to
make). Times are of the processor: they mean the same on a machine that others use too.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click

from firmware.config import Camera, Config, Device, Fingerprint, Keys
from firmware.recognition import build_recognition
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


def resident_mb() -> float:
    """Return how much memory the process has, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(folder: Path, entries: int, *, fingers: bool) -> str:
    """Return a row: what each entry holds, seconds and MB."""
    config = Config(
        device=Device(id="post-1", site=SITE, purpose=PURPOSE, data=folder),
        keys=Keys(guard=GuardKind.FILE),
        camera=Camera(driver="replay"),
        fingerprint=Fingerprint(model="R503", port="none"),
    )
    recognition = build_recognition(config, protection())
    face, finger, matcher = recognition.face, recognition.finger, recognition.matcher
    if face is None or finger is None:
        raise AssertionError("both are configured")

    def templates(seed: int) -> tuple[Template, ...]:
        faces = [replace(face_template(seed + k), made_by=face.made_by, frames=2) for k in range(2)]
        of_fingers = [replace(finger_template(seed + k), made_by=finger.made_by) for k in range(4)]
        return (*faces, *of_fingers) if fingers else tuple(faces)

    store = open_store(folder)
    made = [templates(seed) for seed in range(SEEDS)]
    for start in range(0, entries, 500):
        references = []
        for number in range(start, min(start + 500, entries)):
            entry_id = os.urandom(16)
            shown = protected(made[number % SEEDS], entry_id)
            references.append(Reference(entry_id, f"card-{number}", shown, PURPOSE, SITE))
        with store._journal.transaction() as database:
            insert_all(database, references)
    del references
    before_mb, began_s = resident_mb(), time.process_time()
    read = store.gallery.references(PURPOSE)
    read_s = time.process_time() - began_s
    began_s = time.process_time()
    matcher.take_up_all(read)
    ready_s = time.process_time() - began_s
    size_mb = resident_mb() - before_mb
    store.close()
    what = "a face and two fingers, two samples each" if fingers else "a face, two samples"
    return f"| {what} | {read_s:.2f} s | {ready_s:.2f} s | {size_mb:.0f} MB |"


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--entries", type=int, default=10_000)
    arguments.add_argument("--faces", action="store_true")
    given = arguments.parse_args()
    entries = given.entries
    click.echo(f"| {entries} entries | Read | Made ready | Memory |\n|---|---|---|---|")
    for fingers in (False,) if given.faces else (False, True):
        with tempfile.TemporaryDirectory() as folder:
            click.echo(measure(Path(folder), entries, fingers=fingers))


if __name__ == "__main__":
    main()
