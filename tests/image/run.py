"""Boots the image in QEMU, one scenario after the other, and writes docs/image.md's table: `make image-test`.

Each scenario leaves its result in out/image/tests/NAME.json and its consoles in the folder beside it; the
table is made of all that are there, so that `--only NAME` renews a part of it. Exit status 1 when anything
was wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import msgspec
from rich.console import Console
from rich.table import Table

from tests.image import bare, first_boot, life, pins, power_cuts, tampering, tried
from tests.image.result import PAGE, Notes, Result, with_table
from tests.image.stage import Stage
from tests.image.tools import REPOSITORY, ToolMissing
from tests.image.variants import Built

RESULTS = REPOSITORY / "out" / "image" / "tests"
BUILT = REPOSITORY / "out" / "image"

Scenario: TypeAlias = "Callable[[Stage, Notes], Awaitable[None]]"

SCENARIOS: dict[str, Scenario] = {
    "boot": first_boot.scenario,
    "bare": bare.scenario,
    "life": life.scenario,
    "power-cuts": power_cuts.scenario,
    "tampering": tampering.scenario,
    "pins": pins.scenario,
}


async def run(names: list[str], built: Built, seed: int, share: float) -> list[Result]:
    """Run these scenarios; what they find is kept one by one."""
    this = asyncio.current_task()
    assert this is not None
    # A machine must not outlive whoever started it.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    found: list[Result] = []
    digest = tried.digest()
    for name in names:
        sys.stdout.write(f"{name}\n")
        folder = RESULTS / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        notes = Notes(name, _say)
        try:
            await SCENARIOS[name](Stage(built, folder, seed, share), notes)
        except ToolMissing:
            raise
        except Exception as error:  # noqa: BLE001  (whatever ends a scenario is what it found)
            notes.wrong(f"ended by {type(error).__name__}: {error}")
        result = msgspec.structs.replace(notes.result(), digest=digest)
        (RESULTS / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(result)))
        found.append(result)
    return found


def _say(line: str) -> None:
    sys.stdout.write(f"  {line}\n")
    sys.stdout.flush()


def kept() -> list[Result]:
    """Return what the runs left, in the order of the scenarios."""
    files = [RESULTS / f"{name}.json" for name in SCENARIOS]
    return [msgspec.json.decode(file.read_bytes(), type=Result) for file in files if file.exists()]


def show(results: list[Result]) -> None:
    """Print the summary."""
    table = Table("Scenario", "Seen", "Took", "Wrong")
    for result in results:
        wrong = "\n".join(result.wrong) or "nothing"
        table.add_row(result.scenario, f"{len(result.seen)} things", f"{result.took_s:.0f} s", wrong)
    Console().print(table)


def main() -> None:
    """Run, and write the table where the run was a full one."""
    parser = argparse.ArgumentParser(prog="make image-test", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--built", type=Path, default=BUILT, help="the folder that `make image` leaves")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of the full number of tries, as 0.1")
    parser.add_argument("--table", action="store_true", help="run nothing, write the table")
    options = parser.parse_args()
    if not options.table and not (options.built / "image.json").exists():
        parser.error(f"there is no image in {options.built}: `make image` makes it")
    try:
        found = (
            kept()
            if options.table
            else asyncio.run(run(options.only, Built(options.built), options.seed, options.share))
        )
    except ToolMissing as missing:
        sys.exit(str(missing))
    show(found)
    if options.table or options.share == 1.0:
        page = REPOSITORY / PAGE
        page.write_text(with_table(page.read_text(encoding="utf-8"), kept()), encoding="utf-8")
        sys.stdout.write(f"Wrote the table of {PAGE}\n")
    if not options.table and options.share == 1.0:
        commit = subprocess.check_output(["/usr/bin/git", "rev-parse", "HEAD"], cwd=REPOSITORY, text=True)
        tried.write(kept(), commit.strip())
        sys.stdout.write(f"Wrote {tried.TRIED.name}\n")
    sys.exit(1 if any(result.wrong for result in found) else 0)
