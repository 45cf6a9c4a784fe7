"""A card from the factory boots: time, memory, and what the system looks like from inside."""

from __future__ import annotations

import asyncio
import re

from tests.image.agent import Agent
from tests.image.machine import Machine, Plugs
from tests.image.result import Notes
from tests.image.stage import BOOT_S, Stage

STARTED = r"Started aidpost(-first-boot)?\.service"
"""What systemd says on the console when the appliance has told it that it serves, or waits for its claim."""
SCREEN = (
    "for second in $(seq 60); do fold -w 80 </dev/vcs1 >/run/screen; "
    "grep -q 'claim code' /run/screen && break; sleep 1; done; cat /run/screen"
)
"""What the screen shows, once it asks for the claim code or after a minute."""
SETTLING_S = 60.0
IDLE_MB = 200.0


async def scenario(stage: Stage, notes: Notes) -> None:
    """Boot twice without an agent for the times, and once with it to look around; nobody gives it a claim."""
    disk = await stage.disk()
    async with stage.machine(disk, "timed", Plugs(agent=False, append="systemd.show_status=1")) as machine:
        notes.figure("first_boot_to_asking_for_a_claim_s", await ready_s(machine))
    async with stage.machine(disk, "again", Plugs(agent=False, append="systemd.show_status=1")) as machine:
        notes.figure("second_boot_to_asking_for_a_claim_s", await ready_s(machine))
    async with stage.machine(disk, "inside", Plugs(append="systemd.show_status=1")) as machine:
        agent = await machine.agent(BOOT_S)
        await machine.console.wait(STARTED, BOOT_S)
        notes.seen(f"a card from the factory boots slot {machine.boots[0].slot} and asks for its claim")
        shown = await agent.run(SCREEN)
        notes.check("claim code" in shown, "and says so in words on its screen's console", shown)
        await look_around(agent, notes)


async def ready_s(machine: Machine) -> float:
    """Return the seconds from the start of QEMU to the appliance that serves."""
    line = await machine.console.wait(STARTED, BOOT_S)
    return round(line.at_s - machine.boots[0].at_s, 1)


async def idle(agent: Agent, notes: Notes) -> None:
    """Measure the memory that is used while nobody is served."""
    await asyncio.sleep(SETTLING_S)
    used = await used_mb(agent)
    notes.figure("memory_used_at_idle_mb", used)
    notes.check(used <= IDLE_MB, f"uses no more than {IDLE_MB:.0f} MB at idle", f"{used:.0f} MB")


async def look_around(agent: Agent, notes: Notes) -> None:
    """Check what the page promises of the running system."""
    mounts = await agent.run("cat /proc/mounts")
    for place, kind in (("/", "erofs ro"), ("/var", "tmpfs rw"), ("/data", "ext4 rw")):
        found = re.search(rf"^(\S+) {place} (\S+) (r[ow])", mounts, re.MULTILINE)
        said = f"{found[2]} {found[3]}" if found else "nothing"
        notes.check(said == kind, f"{place} is {kind}", said)
    verity = await agent.run("cat /sys/block/dm-*/dm/uuid")
    for kind in ("CRYPT-VERITY-", "CRYPT-LUKS2-"):
        notes.check(kind in verity, f"there is a {kind.strip('-')} mapping", verity)
    failed = (await agent.run("systemctl --failed --plain --no-legend")).strip()
    notes.check(not failed, "no unit has failed", failed)
    rules = await agent.run("nft list ruleset")
    notes.check("policy drop" in rules, "the filter drops what is not asked for", rules[:300])
    listening = await agent.run("cat /proc/net/tcp /proc/net/tcp6")
    ssh = re.search(r":0016 0+:0000 0A", listening)
    notes.check(ssh is None, "nothing listens for ssh", listening)


async def used_mb(agent: Agent) -> float:
    """Return the memory that is used and cannot be given back, in MB of 10^6 bytes (proc(5), meminfo).

    What the agent itself takes, 6 MB, is none of the image's.
    """
    said = await agent.run("cat /proc/meminfo; grep RssAnon /proc/$PPID/status")
    kib = {name: int(size) for name, size in re.findall(r"^(\w+):\s+(\d+) kB", said, re.MULTILINE)}
    used_kib = kib["MemTotal"] - kib["MemAvailable"] - kib["RssAnon"]
    return round(used_kib * 1024 / 1e6, 1)
