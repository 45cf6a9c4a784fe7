"""Puts the root together: packages, kernel modules, what lies over them, units and the Python environment."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from imaging.commands import run
from imaging.kernel import Unpacked, closure
from imaging.recipe import PROJECT
from imaging.toolbox import Toolbox

IMAGE_BUILD = PROJECT / "image-build"
# Not of the appliance.
SERVER_UNITS = ("aidpost-aggregator.service",)
UNITS = Path("usr/lib/systemd/system")
RULES = Path("usr/lib/udev/rules.d")

# What packages leave behind for a system that changes: this one is replaced as a whole. With /etc/apt goes
# the address of the archive that the packages came from.
LEFT_BEHIND = (
    "etc/apt", "etc/.pwd.lock", "etc/group-", "etc/gshadow-", "etc/passwd-", "etc/shadow-", "etc/subgid-",
    "etc/subuid-",
    "etc/hostname", "etc/resolv.conf", "boot", "usr/include", "usr/src", "usr/games", "media", "srv", "opt",
    # Character sets for iconv, which nothing calls; names of hardware, of which udev needs none here; Perl,
    # which Debian's packages run when they are installed and nothing after that.
    "usr/lib/aarch64-linux-gnu/gconv", "usr/lib/udev/hwdb.d", "usr/lib/udev/hwdb.bin",
    "usr/bin/perl*", "usr/lib/aarch64-linux-gnu/perl-base", "usr/share/perl5",
    # What installs packages and makes users, which is done, and what sets up networks of other kinds.
    "usr/bin/dpkg*", "usr/sbin/dpkg*", "usr/share/dpkg", "usr/bin/localedef", "usr/sbin/ldconfig",
    "usr/sbin/user*", "usr/sbin/group*", "usr/sbin/newusers", "usr/sbin/ch*passwd", "usr/bin/chage",
    "usr/bin/gpasswd", "usr/bin/passwd", "usr/sbin/debugfs",
    "usr/sbin/dcb", "usr/sbin/devlink", "usr/sbin/rdma", "usr/sbin/tipc", "usr/sbin/vdpa",
    # Tests and handbooks of Python, and libcamera's part for cameras of other boards.
    "usr/lib/python3.13/test", "usr/lib/python3.13/pydoc_data", "usr/lib/python3.13/turtle*",
    "usr/lib/aarch64-linux-gnu/libcamera/ipa/ipa_rkisp1.so*",
    "usr/lib/aarch64-linux-gnu/libcamera/ipa/ipa_mali_c55.so*",
)  # fmt: skip
# Places that the read-only root must offer for what is mounted.
FOLDERS = ("boot/selector", "data", "dev", "proc", "run", "sys", "tmp", "var")


def unpack(tar: Path, root: Path) -> str:
    """Unpack the packages without what they leave behind; return the text of dpkg's status file."""
    root.mkdir(parents=True)
    run(["tar", "--extract", "--preserve-permissions", "--numeric-owner", "--xattrs", "--xattrs-include=*",
         "--exclude=./dev/*", "--file", tar, "--directory", root])  # fmt: skip
    status = (root / "var/lib/dpkg/status").read_text()
    for pattern in LEFT_BEHIND:
        for path in root.glob(pattern):
            _remove(path)
    for name in ("var", "tmp", "run", "root"):
        for path in (root / name).iterdir():
            _remove(path)
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    return status


def share_licences(root: Path) -> None:
    """Keep licence texts that are the same once, under each of their names: 0.9 MB of the image."""
    first: dict[bytes, Path] = {}
    for path in sorted(root.glob("usr/share/doc/*/copyright")):
        # Some packages have another's folder as theirs.
        if path.is_symlink() or path.parent.is_symlink():
            continue
        kept = first.setdefault(path.read_bytes(), path)
        if kept != path:
            path.unlink()
            path.hardlink_to(kept)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def add_modules(
    root: Path, kernel: Unpacked, wanted: Iterable[str], toolbox: Toolbox, if_there: Iterable[str] = ()
) -> None:
    """Copy the wanted modules of each kernel; raises ModulesMissing."""
    names, also = list(wanted), list(if_there)
    for release, _, modules in kernel.kernels():
        place = root / "usr/lib/modules" / release
        for file in closure(modules, names, also):
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(modules / file, place / file)
        for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            shutil.copy(modules / name, place / name)
        toolbox.run("depmod", "-b", root, release)


def add_firmware(root: Path, kernel: Unpacked, patterns: Iterable[str]) -> None:
    """Copy the radio's firmware; raises FileNotFoundError when a pattern finds none."""
    for pattern in patterns:
        found = sorted(kernel.folder.glob(f"*/usr/lib/firmware/{pattern}"))
        if not found:
            raise FileNotFoundError(f"no package has /usr/lib/firmware/{pattern}")
        for path in found:
            package = kernel.folder / path.relative_to(kernel.folder).parts[0]
            place = root / path.relative_to(package)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place, follow_symlinks=False)


def add_own(root: Path, version: str, keyring: Path | None) -> None:
    """Lay the overlay and the units over the packages, and name the version and who signs updates."""
    if (overlay := IMAGE_BUILD / "overlay").exists():
        # Contents and modes of the files; they belong to root whoever checked them out.
        run(["cp", "--recursive", "--no-dereference", "--preserve=mode,links", f"{overlay}/.", root])
    for unit in sorted((IMAGE_BUILD / "units").iterdir()):
        if unit.suffix == ".rules":
            shutil.copy(unit, root / RULES / unit.name)
        elif unit.name not in SERVER_UNITS:
            shutil.copy(unit, root / UNITS / unit.name)
    own = root / "usr/lib/aidpost"
    own.mkdir(exist_ok=True)
    (own / "version").write_text(f"{version}\n")
    release = root / "usr/lib/os-release"
    release.write_text(f"{release.read_text()}IMAGE_ID=aidpost\nIMAGE_VERSION={version}\n")
    if keyring:
        (root / "etc/rauc").mkdir(exist_ok=True)
        shutil.copyfile(keyring, root / "etc/rauc/keyring.pem")
    (root / "etc/machine-id").write_text("")
    if not (root / "etc/resolv.conf").is_symlink():
        (root / "etc/resolv.conf").symlink_to("/run/systemd/resolve/stub-resolv.conf")


def settle(root: Path, toolbox: Toolbox) -> None:
    """Make the users and choose what starts, with the root's own systemd; the toolbox must start arm64."""
    toolbox.run_in(root, "systemd-sysusers")
    toolbox.run_in(root, "systemctl", "preset-all")
    for name in LEFT_BEHIND:
        if name.endswith(("-", ".pwd.lock")):
            _remove(root / name)
    for name in ("run", "tmp"):
        for path in (root / name).iterdir():
            _remove(path)


def naming(root: Path, words: Iterable[str]) -> list[str]:
    """Return the files of the root that hold one of the words, as paths within it."""
    found = []
    wanted = [word.encode() for word in words]
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            if any(word in data for word in wanted):
                found.append(str(path.relative_to(root)))
    return found
