"""A first boot that loses its power at one step after the other: run it as a program, with a folder of cards.

``python -m tests.kit.first_boot_cuts FOLDER``: FOLDER/1, FOLDER/2 and so on each have a claim file in
`selector`. The first boot in FOLDER/N ends at the Nth time that it opens a file to write, renames or removes
one, and is then begun again; a line says what there was in between. It ends with the first folder in which no
step was left.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from firmware.clock import Clock
from firmware.config import Config
from firmware.first_boot.boot import FirstBoot, Means
from firmware.first_boot.places import Places
from firmware.first_boot.supervising import Supervising
from firmware.first_boot.terms import Situation
from firmware.first_boot.waiting import Waiting
from firmware.guard.opening import no_console
from firmware.machine.claim_file import take_claim_file
from trust.claim_file import NAME, ClaimFileRefused, read_claim_file
from trust.keys.guard import KeyGuard

WHOLE, CUT = 0, 9


class TriesNothing:
    """Stands for the start of the appliance, which has power cuts of its own (`test_desired_kills`)."""

    go_on = False

    async def try_out(
        self,
        config: Config,
        guard: KeyGuard,
        show: Callable[[Situation], None],
        waiting: Waiting,
        done: Callable[[], None],
    ) -> None:
        done()


def places_in(folder: Path) -> Places:
    return Places(folder / "etc" / "aidpost.toml", folder / "data", folder / "network", {})


def boot(folder: Path) -> None:
    """Do what the image does at a boot."""
    places = places_in(folder)
    places.data.mkdir(mode=0o700, exist_ok=True)
    take_claim_file(folder / "selector", places.data, set_up=places.over())
    if places.over():
        return
    clock = Clock()
    means = Means(
        Supervising(clock, asks=False),
        TriesNothing(),
        no_console,
        clock=clock,
        sleep=lambda _s: asyncio.sleep(0.02),
    )
    asyncio.run(FirstBoot(places, means).run())


def booted(folder: Path, step: int = 0) -> int:
    """Boot in a process of its own, which ends at that step; returns its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    steps = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps
        writes = (
            event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR) and str(folder) in str(arguments[0])
        )
        if writes or event in ("os.rename", "os.remove"):
            steps += 1
            if steps == step:
                os._exit(CUT)

    sys.addaudithook(hook)
    try:
        boot(folder)
    except Exception as error:  # noqa: BLE001 -- told to the test, which then fails
        print(f"{type(error).__name__}: {error}", flush=True)  # noqa: T201
        os._exit(1)
    os._exit(WHOLE)


def claims_in(folder: Path) -> int:
    """Return in how many places the claim is whole."""
    found = 0
    for path in (folder / "selector" / NAME, folder / "data" / NAME):
        with suppress(FileNotFoundError, ClaimFileRefused):
            found += read_claim_file(path) is not None
    return found


def main(folder: Path) -> None:
    """Cut the power at each step in turn."""
    for step in itertools.count(1):
        card = folder / str(step)
        ended = booted(card, step)
        places = places_in(card)
        joined = places.joined() is not None
        known = claims_in(card)
        again = booted(card)
        print("step", step, ended, f"joined={joined}", f"claims={known}", again, flush=True)  # noqa: T201
        if ended != CUT:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
