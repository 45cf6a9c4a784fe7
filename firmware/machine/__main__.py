"""`python -m firmware.machine WORK`: what the image's services start; each imports no more than it needs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

SELECTOR = Path("/boot/selector")
IMAGE = Path("/usr/lib/aidpost")
RUN = Path("/run")
DEVICE = Path("/dev/aidpost/data")
NETWORKS = Path("/data/network")
APPLIANCE = Path("/data/aidpost")
CONFIG = Path("/data/etc/aidpost/aidpost.toml")
CONSOLE = Path("/dev/tty1")
SUPPORT = Path("/run/aidpost-support")
SUPPORT_LOG = Path("/run/aidpost/support.log")
HOST_KEY = Path("/data/support/host_key")


def open_data() -> str:
    """Open the data partition, which the first start makes."""
    from firmware.guard.virtual_board import board_mailbox
    from firmware.machine import fault, open_data
    from firmware.machine.partition import LuksPartition
    from firmware.machine.settings import partition_settings
    from trust.claim_name import NAME
    from trust.keys.errors import GuardError

    try:
        settings = partition_settings(SELECTOR, IMAGE, NAME)
        made = open_data.open_data(SELECTOR, settings, LuksPartition(DEVICE), board_mailbox())
    except GuardError as error:
        fault.note(str(error))
        raise SystemExit(f"the data partition stays closed: {error}") from error
    return "the data partition was made" if made else "the data partition is open"


def show_data_fault() -> str:
    """Say why the data partition stays closed, and show it by the lamp, until stopped."""
    from firmware.machine import fault

    fault.show()
    return ""


def set_up_console() -> str:
    """Give the console of the machine's own screen a font with Latin and Cyrillic letters."""
    from firmware.machine import console_font

    try:
        font = console_font.load(IMAGE, CONSOLE)
    except OSError as error:
        return f"the console keeps the letters that it has: {error.strerror}"
    return f"the console has the letters of {font}"


def take_claim() -> str:
    """Take the claim file from the card, or erase it there where the appliance is set up."""
    from firmware.first_boot.mark import is_over
    from firmware.machine import remarks
    from firmware.machine.claim_file import Claimed, take_claim_file

    claimed = take_claim_file(SELECTOR, APPLIANCE, set_up=is_over(CONFIG, APPLIANCE))
    if claimed is Claimed.REFUSED:  # of one that is unusable the first boot itself says more
        remarks.leave("claim", claimed.value)
    return claimed.value


def set_up_networks() -> str:
    """Write the files of the site's networks, and tell the services whose files changed."""
    from firmware.machine import networks, remarks

    try:
        network = networks.read_networks(NETWORKS)
        changed = networks.write_files(RUN, networks.files_of(network))
    except networks.NetworksRefused as error:
        remarks.leave("network", str(error))
        raise SystemExit(str(error)) from error
    remarks.leave("network", networks.unmet(network))
    if any(name.startswith("systemd/network/") for name in changed):
        subprocess.run(["/usr/bin/networkctl", "reload"], check=False)
    for name, unit in (
        (networks.WIFI_FILE, "aidpost-wifi.service"),
        (networks.CELLULAR_FILE, "aidpost-cellular.service"),
    ):
        if name in changed:
            subprocess.run(["/usr/bin/systemctl", "--no-block", "restart", unit], check=False)
    said = (f"changed: {', '.join(changed)}" if changed else "", networks.unmet(network))
    return "\n".join(filter(None, said))


def open_ports() -> str:
    """Open the ports that the appliance's file names in the packet filter."""
    from firmware.machine.ports import filter_commands, ports_of

    ports = ports_of(CONFIG)
    subprocess.run(["/usr/sbin/nft", "-f", "-"], input=filter_commands(ports).encode(), check=True)
    return f"open: {', '.join(map(str, ports))}" if ports else ""


def allow_support() -> str:
    """Write the keys of who may sign in, begin the log, and make this machine's key where there is none."""
    from firmware.machine.support_keys import support_keys

    keys = support_keys(RUN / "aidpost/support.toml")
    if not keys:
        raise SystemExit("the site has not agreed to support sessions on its card, or named no key")
    SUPPORT.mkdir(mode=0o755, exist_ok=True)
    (SUPPORT / "authorized_keys").write_text("".join(f"{key}\n" for key in keys))
    (SUPPORT / "authorized_keys").chmod(0o644)
    SUPPORT_LOG.write_bytes(b"")
    if not HOST_KEY.exists():
        command = ["/usr/bin/dropbearkey", "-t", "ed25519", "-f", str(HOST_KEY)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return f"{len(keys)} keys may sign in"


WORK: Mapping[str, Callable[[], str]] = {
    "open-data": open_data,
    "show-data-fault": show_data_fault,
    "set-up-console": set_up_console,
    "take-claim": take_claim,
    "set-up-networks": set_up_networks,
    "open-ports": open_ports,
    "allow-support": allow_support,
}


def main(arguments: list[str]) -> None:
    """Do one work, and say what came of it."""
    if len(arguments) != 1 or arguments[0] not in WORK:
        raise SystemExit(f"say one of: {', '.join(WORK)}")
    if said := WORK[arguments[0]]():
        print(said, flush=True)  # noqa: T201 -- for the log of the service


if __name__ == "__main__":
    main(sys.argv[1:])
