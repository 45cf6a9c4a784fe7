"""A small Debian root with the tools of the build, so that each host builds the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imaging.archives import Archive, epoch, sources
from imaging.commands import run
from imaging.hashing import key
from imaging.recipe import Recipe

HOST_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
BINFMT = Path("/proc/sys/fs/binfmt_misc")
BINFMT_NAME = "aidpost-aarch64-"
# Start of an ELF file for aarch64, as qemu-user-binfmt registers it.
ARM64_MAGIC = r"\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
ARM64_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"

# $1: the root; $2: how many folders follow, which are seen in it at the same place, with the host's way to
# the network. A root that sees none is the image's own: nothing of the host may come into it.
_ENTER = """
set -eu
root=$1; count=$2; shift 2
mount --bind "$root" "$root"
if [ "$count" -gt 0 ]; then
    for file in /etc/hosts /etc/resolv.conf; do
        if [ -e $file ]; then touch "$root$file"; mount --bind $file "$root$file"; fi
    done
fi
while [ "$count" -gt 0 ]; do
    mkdir -p "$root$1"
    mount --bind "$1" "$root$1"
    shift
    count=$((count - 1))
done
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
cd "$root"; folder=$1; shift
exec chroot . /bin/sh -c 'cd "$1"; shift; exec "$@"' enter "$folder" "$@"
"""
# Without them apt reaches no archive from some networks.
PROXIES = ("http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True)
class Toolbox:
    """Runs its tools on folders of the host, which they see at the same places."""

    root: Path
    folders: tuple[Path, ...]
    epoch: int

    def run(self, *argv: str | Path, cwd: Path = Path("/"), given: bytes | None = None) -> bytes:
        """Return what the tool wrote to standard output; raises CommandFailed."""
        return self._enter(self.root, self.folders, cwd, argv, given)

    def run_in(self, root: Path, *argv: str | Path) -> bytes:
        """Run a program of another root in that root, one of arm64 within `arm64()`; raises CommandFailed."""
        return self._enter(root, (), Path("/"), argv, None)

    @contextmanager
    def arm64(self) -> Iterator[None]:
        """Have this kernel start programs of arm64 with the toolbox's QEMU, whatever the host's is."""
        if not (BINFMT / "register").exists():
            run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT])
        for left in BINFMT.glob(f"{BINFMT_NAME}*"):
            if not Path("/proc", left.name.removeprefix(BINFMT_NAME)).exists():  # its build was killed
                left.write_text("-1")
        entry = BINFMT / f"{BINFMT_NAME}{os.getpid()}"
        # F: the program is opened now, and so is found in other roots as well.
        interpreter = self.root / "usr/bin/qemu-aarch64"
        (BINFMT / "register").write_text(f":{entry.name}:M::{ARM64_MAGIC}:{ARM64_MASK}:{interpreter}:FP")
        try:
            yield
        finally:
            entry.write_text("-1")

    def versions(self) -> dict[str, str]:
        """Return the versions of its packages by name."""
        said = self.run("dpkg-query", "--show", "--showformat", "${Package} ${Version}\\n").decode()
        return {name: version for name, _, version in (line.partition(" ") for line in said.splitlines())}

    def _enter(
        self,
        root: Path,
        folders: tuple[Path, ...],
        cwd: Path,
        argv: tuple[str | Path, ...],
        given: bytes | None,
    ) -> bytes:
        own = {"HOME": "/root", "LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "UTC"}
        own |= {name: os.environ[name] for name in PROXIES if name in os.environ}
        settings = [
            f"{name}={value}" for name, value in {**own, "SOURCE_DATE_EPOCH": str(self.epoch)}.items()
        ]
        # Processes of its own too: a build that is stopped leaves none, and no mount that one would hold.
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        enter = [*apart, "env", "-i", *settings]
        shell = ["/bin/sh", "-c", _ENTER, "enter", str(root), str(len(folders)), *map(str, folders), str(cwd)]
        return run([*enter, *shell, *argv], given=given, shown=argv)


def have(recipe: Recipe, archive: Archive, cache: Path, folders: tuple[Path, ...]) -> Toolbox:
    """Return the toolbox, made anew when the recipe's has changed; raises CommandFailed.

    folders: what its tools see of the host.
    """
    debian = recipe.debian
    root = cache / "toolbox" / key(debian.suite, debian.snapshot, recipe.toolbox)
    if not root.exists():
        new = root.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        plain = ["--mode=root", "--variant=apt", "--architectures=amd64", f"--keyring={HOST_KEYRING}"]
        options = ['--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Check-Valid-Until "false"']
        options += [f"--dpkgopt=path-exclude={path}" for path in recipe.exclude.paths]
        include = f"--include={','.join(recipe.toolbox.packages)}"
        lines = sources(archive, debian, backports=False)
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        run([*apart, "mmdebstrap", *plain, *options, include, debian.suite, new, *lines])
        new.rename(root)
    return Toolbox(root, folders, epoch(debian))
