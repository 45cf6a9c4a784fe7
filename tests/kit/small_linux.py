"""A Linux of its own on the tests' machine, for what a container has not: device mapper and block devices.

User-mode Linux (Debian's package) is a kernel that runs as a process. It sees the files of this machine,
read-only but for one folder, and starts in 2 s.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

KERNEL = shutil.which("linux.uml")
ROOM = Path("/mnt")
"""Where the folder is that can be written to."""
_MODULES = ("block/loop", "block/nbd", "md/dm-mod", "md/dm-bufio", "md/dm-verity")
_DEADLINE_S = 900.0  # 30 s by itself, many times that beside other work
_HALT = "import ctypes, os; os.sync(); ctypes.CDLL(None).reboot(0x4321FEDC)"


def is_here() -> bool:
    """Whether it can be started."""
    return KERNEL is not None and _modules() is not None


def run(room: Path, script: str) -> tuple[int, str]:
    """Run a shell script as root in it; returns its exit status and what it said.

    room: the folder that the script finds as ROOM.
    """
    modules = _modules()
    assert KERNEL is not None
    assert modules is not None
    python = shlex.quote(sys.executable)
    lines = [
        "#!/bin/sh",
        "export PATH=/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/run/tmp PYTHONDONTWRITEBYTECODE=1",
        "mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t tmpfs tmpfs /run",
        f"mount -t hostfs -o {shlex.quote(str(room))} none {ROOM} && mkdir /run/tmp /run/dbus /run/rauc",
        *(f"insmod {modules}/drivers/{module}.ko" for module in _MODULES),
        f"insmod {modules}/fs/squashfs/squashfs.ko",
        f"(set -e; {script}\n) >{ROOM}/said 2>&1",
        f"echo $? >{ROOM}/status",
        f"exec {python} -I -c {shlex.quote(_HALT)}",
    ]
    init = room / "init"
    init.write_text("\n".join(lines) + "\n")
    init.chmod(0o755)
    subprocess.run(
        [
            KERNEL, "mem=384M", "rootfstype=hostfs", "rootflags=/", "ro", "quiet", f"init={init}",
            "con=null", "con0=null,fd:1",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_DEADLINE_S,
        check=True,
    )  # fmt: skip
    return int((room / "status").read_text()), (room / "said").read_text(errors="replace")


def _modules() -> Path | None:
    return next(iter(Path("/usr/lib/uml/modules").glob("*/kernel")), None)
