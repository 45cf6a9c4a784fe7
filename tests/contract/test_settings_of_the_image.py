"""Every setting of the image is a word that the very versions of its programs know: each of them is asked."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.own_systemd import BELOW, OwnMachine, lacks, own_machine

SYSTEMD = 257  # of Debian 13, as the image has it
RULES = tuple(
    f"usr/lib/udev/rules.d/{name}.rules"
    for name in ("60-aidpost-devices", "61-aidpost-card", "70-aidpost-sticks")
)
ASKED = (
    ("usr/sbin/chronyd", "-p", "-f", "/etc/chrony/chrony.conf"),
    ("usr/sbin/nft", "--check", "--file", "/etc/nftables.conf"),
    ("usr/bin/udevadm", "verify", *(f"/{rule}" for rule in RULES)),
    ("usr/bin/systemd-tmpfiles", "--create", "--dry-run", "/usr/lib/tmpfiles.d/aidpost.conf"),
    ("usr/bin/systemd-tmpfiles", "--create", "--dry-run", "/usr/lib/aidpost/data-folders.conf"),
    ("usr/bin/systemd-sysusers", "--dry-run", "/usr/lib/sysusers.d/aidpost.conf"),
    ("usr/lib/systemd/system-generators/zram-generator", "/run", "/run", "/run"),
)
NOTICED = re.compile(
    r"unknown (key|section|name|type|modifier|username)|invalid|not allowed inside|failed to parse", re.I
)
# journald says what it does not know before there is a journal.
JOURNALD = {
    "etc/systemd/system/systemd-journald.service.d/test.conf": (
        "[Service]\nEnvironment=SYSTEMD_LOG_TARGET=console\nStandardError=file:/run/journald-said\n"
    )
}
# Not the filter: without it no network is begun, whose files are among these.
MISSPELT = {
    "etc/systemd/journald.conf.d/zz-aidpost.conf": "[Journal]\nRuntimeMaximum=16M\n",
    "etc/systemd/system.conf.d/zz-aidpost.conf": "[Manager]\nRuntimeWatchdog=14s\n",
    "etc/systemd/resolved.conf.d/zz-aidpost.conf": "[Resolve]\nLMNR=no\n",
    "etc/systemd/network/50-wired.network": "[Match]\nType=ether\n[Network]\nDCHP=yes\n",
    "etc/systemd/network/60-wifi.network": "[Match]\nType=wlan\n[DHCPv4]\nMetric=7\n",
    "etc/systemd/zram-generator.conf": "[zram0]\nsize = 512\n",
    "etc/chrony/chrony.conf": "makesteps 1.0 3\n",
    "etc/dbus-1/system.d/aidpost-rauc.conf": "<busconfig><polcy/></busconfig>\n",
    "usr/lib/udev/rules.d/70-aidpost-sticks.rules": 'SUBSYSTEMM=="block", RUN+="/bin/true"\n',
    "usr/lib/tmpfiles.d/aidpost.conf": "dd /run/aidpost 0755 root root\n",
    "usr/lib/aidpost/data-folders.conf": "d /data 0799 root root\n",
    "usr/lib/sysusers.d/aidpost.conf": "user aidpost 800\n",
}


def missing() -> str:
    if reason := lacks():
        return reason
    command = ["chroot", str(BELOW), "/usr/lib/systemd/systemd", "--version"]
    version = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()[1]
    return "" if int(version) >= SYSTEMD else f"needs Debian 13's systemd, not {version} (make machine-test)"


pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


def noticed(machine: OwnMachine) -> Iterator[str]:
    """Yield what the programs of a machine do not understand in their files."""
    machine.run("systemctl", "start", "systemd-networkd.service", "systemd-resolved.service", "dbus.service")
    machine.run("systemctl", "daemon-reload")  # so that it says again what it said before there was a journal
    machine.run("systemctl", "restart", "systemd-journald.service")
    said = machine.said("journalctl", "-b", "-o", "cat") + (machine.root / "run/journald-said").read_text()
    yield from (line for line in said.splitlines() if NOTICED.search(line))
    for program, *words in ASKED:
        if not (BELOW / program).exists():
            continue
        done = machine.run(f"/{program}", *words)
        if done.returncode or NOTICED.search(done.stderr):
            yield f"{words}: {done.stderr}"


def test_each_program_understands_its_settings_and_the_image_has_the_last_word(tmp_path: Path) -> None:
    with own_machine(tmp_path, JOURNALD) as machine:
        assert list(noticed(machine)) == []
        for name, last in (
            ("journald.conf", "ForwardToSyslog=no"),
            ("system.conf", "DefaultTimeoutStopSec=30s"),
        ):
            said = machine.said("systemd-analyze", "cat-config", "--tldr", f"systemd/{name}")
            key = last.partition("=")[0]
            assert [line for line in said.splitlines() if line.startswith(key)][-1] == last


def test_a_word_that_is_misspelt_is_noticed(tmp_path: Path) -> None:
    with own_machine(tmp_path, {**JOURNALD, **MISSPELT}) as machine:
        said = "\n".join(noticed(machine))
    there = [name for name in MISSPELT if "zram" not in name and "chrony" not in name]
    assert [name for name in there if name not in said] == []
