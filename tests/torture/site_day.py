"""A day at a distribution point of three appliances whose network parts, and which restart, at random."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

from firmware.workflow.outcomes import AlreadyGiven, ClaimedElsewhere, Granted, OwnerSilent
from tests.kit.site_rig import ROSTER, SiteRig, site_of_three
from tests.torture.finding import Finding

HOUSEHOLDS = 600
CAP = 15
SPELL = 25
"""So many arrivals between two changes of the network."""
SERVE_NS = 20_000_000_000


async def scenario(folder: Path, seed: int, share: float) -> list[Finding]:
    """Run the day, once."""
    return [await day(folder, seed, max(20, int(HOUSEHOLDS * share)))]


async def day(folder: Path, seed: int, households: int, spell: int = SPELL) -> Finding:
    """Let each household come, half of them twice; meanwhile the network parts and appliances restart."""
    rng = random.Random(seed)  # noqa: S311
    wrong: list[str] = []
    recoveries: list[float] = []
    changes = 0
    async with site_of_three(folder, households=households, loss_cap=CAP) as rig:
        numbers = [each.number for each in rig.planned.households]
        queue = [*numbers, *rng.sample(numbers, len(numbers) // 2)]
        rng.shuffle(queue)
        parted: set[str] = set()
        # Those that this appliance gave without its owner's word; each may be one collection too many.
        alone: Counter[str] = Counter()
        for start in range(0, len(queue), spell):
            changes += 1
            match rng.choice(("part", "part", "heal", "restart")):
                case "part" if not parted:
                    parted = {rng.choice(ROSTER)}
                    await rig.part(*parted)
                case "restart" if not parted:
                    await rig.posts[rng.choice(ROSTER)].restart()
                    await rig.met()
                case _ if parted:
                    recoveries.append(await healed(rig))
                    parted = set()
                case _:
                    pass
            for number in queue[start : start + spell]:
                device = rng.choice(ROSTER)
                post = rig.posts[device]
                post.now_ns += SERVE_NS
                before = len(post.served)
                standing = await post.serve(number)
                given = len(post.served) > before
                match standing:
                    case Granted() if given:
                        pass
                    case AlreadyGiven() | ClaimedElsewhere() if not given:
                        pass
                    case OwnerSilent() if parted:
                        alone[device] += given
                    case _:
                        wrong.append(f"{device} answered {standing} and gave: {given}, apart: {parted}")
        await healed(rig)
        served = Counter(rig.served())
        twice = sum(served.values()) - len(served)
        conflicts = await rig.conflicts()
        if len(conflicts) != twice:
            wrong.append(f"{twice} hand-overs too many, {len(conflicts)} reported")
        if twice > sum(alone.values()):
            wrong.append(f"{twice} hand-overs too many, {sum(alone.values())} without the owner's word")
        for device, count in alone.items():
            if count > CAP:
                wrong.append(f"{device} gave {count} without their owners' word, {CAP} are signed")
        note = f"{sum(alone.values())} without the owner's word, {twice} of them double and reported"
    return Finding(
        fault="the network of a site parts, appliances restart",
        tried=changes,
        shown=sum(served.values()),
        wrong=tuple(wrong),
        recoveries_s=tuple(recoveries),
        recovered="the network whole again to all told",
        note=note,
    )


async def healed(rig: SiteRig) -> float:
    """Mend the network; return how long it took until all had told each other, in seconds."""
    began_s = time.monotonic()
    await rig.heal()
    return time.monotonic() - began_s
