"""A machine in namespaces: Debian's own systemd as its first process, with the image's units and settings.

Its root is this host's, or the one that AIDPOST_SYSTEMD_ROOT names, under a layer that is thrown away: on
Debian 12 `make machine-test` tries the versions of the image.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
IMAGE_BUILD = PROJECT / "image-build"
BELOW = Path(os.environ.get("AIDPOST_SYSTEMD_ROOT", "/"))
PATIENCE_S = 60.0
_PYTHON = """\
#!/bin/sh
here=/usr/lib/aidpost
[ "$1" != -I ] || shift  # it would leave PYTHONPATH out
export LD_LIBRARY_PATH=$here/base/lib PYTHONPATH=$here/project:$here/project/protos:$here/site
exec $here/base/bin/{version} "$@"
"""
_START = r"""
set -eu
upper=$1/upper; root=$1/root
mount -t tmpfs layer "$1"; mkdir "$upper" "$1/work" "$root"
mount -t overlay -o "lowerdir=$2,upperdir=$upper,workdir=$1/work" overlay "$root"
cp -a "$3/." "$root"
for name in project site base; do
    mkdir -p "$root/usr/lib/aidpost/$name"; mount --rbind "$4" "$root/usr/lib/aidpost/$name"; shift
done
# The kernel is this host's: its settings and its clock are not the machine's to set.
mount -t proc proc "$root/proc"
for name in "$root/proc/sys" "$root/proc/sysrq-trigger"; do
    [ ! -e "$name" ] || mount --bind -o ro "$name" "$name"
done
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for folder in run tmp boot/selector; do
    mkdir -p "$root/$folder"; mount -t tmpfs -o mode=755 tmpfs "$root/$folder"
done
chmod 1777 "$root/tmp"
mount -t tmpfs -o mode=755 dev "$root/dev"; mkdir "$root/dev/pts" "$root/dev/shm"
for node in null zero full random urandom tty; do
    touch "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"; ln -s pts/ptmx "$root/dev/ptmx"
cd "$root"; mkdir former; pivot_root . former; umount -l former
export container=aidpost PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec setpriv --bounding-set=-sys_time,-sys_module /usr/lib/systemd/systemd --unit=basic.target
"""


def lacks() -> str:
    """Return why there can be no such machine here, nothing where there can."""
    if os.geteuid() != 0:
        return "a machine in namespaces needs root"
    for program in ("usr/lib/systemd/systemd", "usr/sbin/nft", "usr/sbin/dropbear"):
        if not (BELOW / program).exists():
            return f"needs Debian's /{program}"
    tried = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs t /mnt && mkdir /mnt/u /mnt/w /mnt/r && "
             "mount -t overlay -o lowerdir=/etc,upperdir=/mnt/u,workdir=/mnt/w o /mnt/r"]  # fmt: skip
    if subprocess.run(tried, capture_output=True, check=False).returncode:
        return "namespaces or overlays are not allowed here"
    return ""


@dataclass(frozen=True, slots=True)
class OwnMachine:
    """pid: of its systemd, seen from here."""

    pid: int

    @property
    def root(self) -> Path:
        """Its files, seen from here."""
        return Path(f"/proc/{self.pid}/root")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program there as root."""
        namespaces = ["--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--root", "--wdns=/"]
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin", "SYSTEMD_PAGER="]
        enter = ["nsenter", "--target", str(self.pid), *namespaces, *clean]
        return subprocess.run([*enter, *words], capture_output=True, text=True, check=False)

    def said(self, *words: str) -> str:
        """Return what a program there says, without spaces around."""
        return self.run(*words).stdout.strip()

    def until(self, there: Callable[[], bool], what: str) -> None:
        """Wait for what other processes do there."""
        ends_s = time.monotonic() + PATIENCE_S
        while not there():
            if time.monotonic() > ends_s:
                told = self.said("journalctl", "-b", "-o", "cat", "-n", "60")
                raise AssertionError(f"{what} did not happen:\n{told}")
            time.sleep(0.05)


_NOTHING = "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true"
DATA = {
    "etc/systemd/system/aidpost-data.service": _NOTHING,
    "etc/systemd/system/aidpost-folders.service.d/test.conf": (
        "[Service]\nExecStart=\n"
        "ExecStart=/bin/mkdir -p /data\nExecStart=/usr/bin/mount -t tmpfs tmpfs /data\n"
        "ExecStart=/usr/bin/systemd-tmpfiles --create /usr/lib/aidpost/data-folders.conf\n"
    ),
}
"""Memory in place of the data partition, of which such a machine has none."""


@contextmanager
def own_machine(folder: Path, files: dict[str, str]) -> Iterator[OwnMachine]:
    """Start a machine with the image's overlay and units and these files over them, and end it.

    folder: empty. files: text by path; what has a first line with #! may be run.
    """
    over = folder / "over"
    shutil.copytree(IMAGE_BUILD / "overlay", over, symlinks=True)
    for unit in (IMAGE_BUILD / "units").glob("aidpost*"):
        shutil.copy(unit, over / "usr/lib/systemd/system")
    for rules in (IMAGE_BUILD / "units").glob("*.rules"):
        shutil.copy(rules, over / "usr/lib/udev/rules.d")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    files = {
        "usr/lib/aidpost/venv/bin/python": _PYTHON.format(version=version),
        "etc/fstab": "",
        **files,
    }
    for name, text in files.items():
        path = over / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)
    owned = ["chown", "-R", "root:root", str(over)]
    subprocess.run(owned, check=True)
    (folder / "machine").mkdir()
    binds = [str(PROJECT), sysconfig.get_path("purelib"), sys.base_prefix]
    namespaces = ["--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--propagation", "private"]
    shell = ["sh", "-c", _START, "start", str(folder / "machine"), str(BELOW), str(over), *binds]
    command = ["unshare", *namespaces, "--fork", "--kill-child", *shell]
    with subprocess.Popen(command) as started:
        try:
            children = Path(f"/proc/{started.pid}/task/{started.pid}/children")
            ends_s = time.monotonic() + PATIENCE_S
            while not children.read_text().strip():
                assert time.monotonic() < ends_s
                time.sleep(0.01)
            machine = OwnMachine(int(children.read_text().split()[0]))
            state = ("systemctl", "is-system-running")
            machine.until(
                lambda: started.poll() is not None or machine.said(*state) in ("running", "degraded"),
                "its start",
            )
            assert started.poll() is None, "it ended at its start"
            yield machine
        finally:
            started.kill()
