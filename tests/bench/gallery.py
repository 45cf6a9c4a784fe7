"""What a shared gallery costs: bytes of a sync, time to open it at the start, time to seal.

Run as ``python -m tests.bench.gallery`` (``--entries N``); it takes some minutes and prints Markdown tables.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path

import click
import structlog

from firmware.gallery import payload
from firmware.store.reference import Reference
from inference.types import Template
from tests.kit.shared_site import Appliance, Site, site
from tests.kit.store_values import PURPOSE, SITE, face_template, finger_template, moment, protected
from trust.gallery.sealing import Place, seal
from trust.keys.secret import SecretKey

CHANGED = 100
KINDS: dict[str, Callable[[int], tuple[Template, ...]]] = {
    "a face, two samples": lambda n: (face_template(n), face_template(n + 1)),
    "one finger, two samples of 40 minutiae": lambda n: (finger_template(n), finger_template(n + 1)),
    "a face and two fingers, two samples each": lambda n: (
        *(face_template(n + k) for k in range(2)),
        *(finger_template(n + k) for k in range(4)),
    ),
}


def entry(number: int, templates: tuple[Template, ...]) -> Reference:
    """Return an entry with a random id, as registration gives it."""
    entry_id = os.urandom(16)
    return Reference(entry_id, f"KQ-4711-{number:05}", protected(templates, entry_id), PURPOSE, SITE)


def add(appliance: Appliance, references: Iterable[Reference]) -> None:
    """Put entries into a store without the sessions that registration takes."""
    for reference in references:
        appliance.store.gallery.add(moment(), reference)


async def exchanged(sender: Appliance, receiver: Appliance) -> tuple[int, int, float]:
    """Return the bytes that sender and receiver spent, and the receiver's seconds."""
    told = await sender.sync()
    began_s = time.perf_counter()
    heard = await receiver.sync()
    return told.size_bytes, heard.size_bytes, time.perf_counter() - began_s


async def measure(running: Site, entries: int) -> None:
    """Fill a gallery, change it, and print what went over the line."""
    desk, gate = [await running.appliance(name, daily_bytes=1 << 40) for name in ("desk-1", "gate-1")]
    await running.admit(desk, gate)
    add(desk, (entry(number, KINDS["a face, two samples"](number)) for number in range(entries)))
    sent, received, took_s = await exchanged(desk, gate)
    megabytes = f"{sent / 1e6:.2f} MB out, {received / 1e6:.2f} MB in"
    click.echo(f"\n{entries} entries, a face each: {megabytes}, {took_s:.1f} s\n")
    click.echo("| 100 changes | bytes out | bytes in |\n|---|---|---|")
    number = entries
    for name, templates in KINDS.items():
        add(desk, (entry(number + each, templates(number + each)) for each in range(CHANGED)))
        number += CHANGED
        sent, received, _ = await exchanged(desk, gate)
        click.echo(f"| registrations: {name} | {sent:,} | {received:,} |")
    for reference in desk.store.gallery.references(PURPOSE)[:CHANGED]:
        desk.store.gallery.remove(moment(), reference.entry_id)
    sent, received, _ = await exchanged(desk, gate)
    click.echo(f"| erasures | {sent:,} | {received:,} |")
    sent, received, _ = await exchanged(desk, gate)
    click.echo(f"| none: what asking costs | {sent:,} | {received:,} |")
    assert desk.store.shared.root() == gate.store.shared.root()
    opening(gate)


def opening(appliance: Appliance) -> None:
    """Print how long a store's gallery takes to be read at the start, and the memory for it."""
    gc.collect()
    tracemalloc.start()
    began_s = time.perf_counter()
    references = appliance.store.gallery.references(PURPOSE)
    took_s = time.perf_counter() - began_s
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    began_s = time.perf_counter()
    appliance.store.gallery.references(PURPOSE)
    untraced_s = time.perf_counter() - began_s
    times = f"{untraced_s:.2f} s ({took_s:.2f} s traced)"
    click.echo(f"\nReading {len(references)} entries: {times}, {most / 1e6:.0f} MB")


def sealing() -> None:
    """Print how long one entry takes to be sealed."""
    templates = KINDS["a face and two fingers, two samples each"](1)
    with SecretKey.random(32) as key:
        best_s = 1e9
        for _ in range(200):
            began_s = time.perf_counter()
            for modality, content in payload.encode("KQ-4711-00001", templates).items():
                seal(key, Place(bytes(16), 1, bytes(16), modality, 1), content)
            best_s = min(best_s, time.perf_counter() - began_s)
    click.echo(f"\nSealing one entry (a face and two fingers): {best_s * 1e6:.0f} µs")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--entries", type=int, default=10_000)
    entries = arguments.parse_args().entries
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with site(Path(folder)) as running:
                await measure(running, entries)

    sealing()
    asyncio.run(run())


if __name__ == "__main__":
    main()
