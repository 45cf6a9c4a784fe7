"""A support session from the wish to its end, on real systemd, dropbear and nft with the image's units."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.own_systemd import BELOW, DATA, OwnMachine, lacks, own_machine

MACHINE, VISITOR = "10.9.0.1", "10.9.0.2"
APPLIANCE = '''\
#!/usr/lib/aidpost/venv/bin/python
"""Stands for the appliance: carries out the desk's command once `open` is there, until `over` is."""
import asyncio
import os
import socket
from pathlib import Path

from firmware.orders import OrderRefused
from firmware.records import CommandKind
from firmware.support import SupportSessions, SystemdDoor, consent_on
from firmware.uplink.codec import Command

HERE = Path("/data/aidpost")
COMMAND = Command(b"s" * 16, CommandKind.OPEN_SUPPORT, expires_ns=0, duration_s=600)


async def until(path):
    while not path.exists():
        await asyncio.sleep(0.05)
    path.unlink()


async def main():
    notices = {}
    while True:
        await until(HERE / "open")
        sessions = SupportSessions(consent_on(), SystemdDoor(), notices, lambda _s: until(HERE / "over"))
        try:
            said = await sessions.open(COMMAND)
        except OrderRefused as error:
            said = f"refused: {error}"
        (HERE / "result").write_text(said)


address = os.environ["NOTIFY_SOCKET"].replace("@", "\\0", 1)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    notify.sendto(b"READY=1", address)
asyncio.run(main())
'''
FILES = {
    **DATA,
    "etc/systemd/system/aidpost.service.d/test.conf": (
        "[Service]\nWatchdogSec=0\nExecStart=\nExecStart=/usr/lib/aidpost/appliance\nRestart=no\n"
    ),
    "usr/lib/aidpost/appliance": APPLIANCE,
}


def missing() -> str:
    """Return why this cannot be tried here, nothing where it can."""
    if reason := lacks():
        return reason
    if not all(map(shutil.which, ("ip", "ssh", "ssh-keygen"))):
        return "needs Debian's iproute2 and openssh-client"
    options = ["chroot", str(BELOW), "/usr/sbin/dropbear", "-h"]
    told = subprocess.run(options, capture_output=True, text=True, check=False).stderr
    return "" if "authorized_keys" in told else "needs Debian 13's dropbear (make machine-test)"


pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@dataclass(frozen=True, slots=True)
class Post:
    """The machine, and a visitor beside it who has the key."""

    machine: OwnMachine
    key: Path
    visitor: int

    @property
    def here(self) -> Path:
        return self.machine.root / "data/aidpost"

    def set_up(self) -> None:
        said = self.machine.run("systemctl", "start", "nftables", "aidpost-support.path", "aidpost.service")
        assert said.returncode == 0, said.stderr + self.machine.said("journalctl", "-b", "-o", "cat")

    def open_ports(self) -> str:
        return self.machine.said("nft", "list", "set", "inet", "aidpost", "support_ports")

    def allow(self) -> None:
        """Agree on the card, and have the desk's command arrive."""
        public = self.key.with_suffix(".pub").read_text().strip()
        card = self.machine.root / "boot/selector/aidpost-support.toml"
        card.write_text(f'session = true\nkeys = ["{public}"]\n')
        (self.here / "result").unlink(missing_ok=True)
        self.machine.run("systemctl", "restart", "aidpost.service")
        (self.here / "open").touch()
        self.machine.until((self.machine.root / "run/aidpost-support/pid").exists, "the door's opening")

    def ssh(self, command: str) -> list[str | Path]:
        options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")
        words = [word for option in options for word in ("-o", option)]
        enter = ["nsenter", "--target", str(self.visitor), "--net"]
        return [*enter, "ssh", "-q", "-F", "none", *words, "-i", self.key, f"support@{MACHINE}", command]

    @contextmanager
    def staying(self) -> Iterator[subprocess.Popen[str]]:
        """Sign in, and stay until the machine ends it."""
        command = self.ssh("echo in; sleep infinity")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as session:
            assert session.stdout is not None
            assert session.stdout.readline() == "in\n"
            yield session
            assert session.wait() != 0

    def is_over(self) -> bool:
        return not self.machine.said("pgrep", "dropbear") and "22" not in self.open_ports()


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    folder = tmp_path_factory.mktemp("machine")
    key = folder / "key"
    making = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ana@desk", "-f", str(key)]
    subprocess.run(making, check=True)
    public = key.with_suffix(".pub").read_text().strip()
    apart = ["unshare", "--net", "sleep", "infinity"]
    visitor = subprocess.Popen(apart)
    try:
        with own_machine(folder, FILES) as machine:
            config = machine.root / "data/etc/aidpost"
            machine.run("systemctl", "start", "aidpost-folders")
            (config / "aidpost.toml").write_text(f'[support]\nsession = true\nkeys = ["{public}"]\n')
            link = f"ip link add m0 netns {machine.pid} type veth peer name v0 netns {visitor.pid}"
            subprocess.run(link.split(), check=True)
            for pid, name, address in ((machine.pid, "m0", MACHINE), (visitor.pid, "v0", VISITOR)):
                for words in (f"address add {address}/24 dev {name}", f"link set {name} up"):
                    enter = ["nsenter", "--target", str(pid), "--net"]
                    subprocess.run([*enter, "ip", *words.split()], check=True)
            yield Post(machine, key, visitor.pid)
    finally:
        visitor.kill()
        visitor.wait()


def test_the_appliances_own_file_opens_no_door(post: Post) -> None:
    post.set_up()
    (post.here / "open").touch()
    post.machine.until((post.here / "result").exists, "an answer")
    assert (post.here / "result").read_text().startswith("refused: the site has not agreed")
    # Nor does whoever has taken over the service and wishes for it all the same.
    wish = "/run/aidpost-wishes/support"
    post.machine.run("setpriv", "--reuid=aidpost", "--regid=aidpost", "--clear-groups", "touch", wish)
    done = post.machine.run("systemctl", "start", "aidpost-support.service")
    assert done.returncode != 0
    assert "has not agreed" in post.machine.said("journalctl", "-b", "-o", "cat", "-u", "aidpost-support")
    assert post.is_over()
    post.machine.run("rm", wish)


def test_support_comes_in_for_a_while_sees_nothing_of_people_and_is_named(post: Post) -> None:
    post.allow()
    assert "22" in post.open_ports()
    looks = "id -un; ls /data /boot; cat /data/aidpost/result; journalctl -n 1 -o cat >/dev/null && echo log"
    told = subprocess.run(post.ssh(looks), stdout=subprocess.PIPE, text=True, check=False).stdout
    assert told.split() == ["support", "/data:", "support", "log"]
    with post.staying():
        (post.here / "over").touch()
        post.machine.until((post.here / "result").exists, "the result")
    assert f"from {VISITOR}" in (post.here / "result").read_text()
    post.machine.until(post.is_over, "the end")
    # Whatever becomes of the appliance's own count of time.
    assert post.machine.said("systemctl", "show", "-P", "RuntimeMaxUSec", "aidpost-support.service") == "8h"


def test_a_session_does_not_outlive_the_appliance(post: Post) -> None:
    post.allow()
    with post.staying():
        post.machine.run("systemctl", "kill", "--signal=KILL", "aidpost.service")
    post.machine.until(post.is_over, "the end")


def test_a_claim_file_on_the_card_of_an_appliance_that_is_set_up_is_erased(post: Post) -> None:
    on_card = post.machine.root / "boot/selector/aidpost-claim.toml"
    on_card.write_text("passphrase")
    post.machine.run("systemctl", "restart", "aidpost.service")
    post.machine.until(lambda: not on_card.exists(), "the erasure")
    post.machine.run("journalctl", "--sync")
    assert "is set up already" in post.machine.said("journalctl", "-b", "-o", "cat", "-u", "aidpost-claim")
    assert not (post.here / "aidpost-claim.toml").exists()
