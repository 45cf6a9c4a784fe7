"""The picamera2 driver on real picamera2 and libcamera: `python -m tests.image.camera`.

libcamera's virtual pipeline plays the camera (tests/kit/virtual_libcamera). Arguments go to pytest. As
root: it makes a Debian that has both with mmdebstrap (2 minutes the first time), and enters it with chroot.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.kit.camera_rigs import STAGE_LIBRARY

REPOSITORY = Path(__file__).parents[2]
CACHE = Path(os.environ.get("AIDPOST_IMAGE_CACHE", REPOSITORY / "out" / "image" / "cache"))
SUITE = "trixie"
PYTHON = "3.13"
PACKAGES = ("python3", "python3-prctl", "gcc", "libc6-dev")
BACKPORTS = ("python3-libcamera",)
# libcamera asks for it to process frames on a GPU; it brings Mesa and LLVM, 160 MB.
ABSENT = "libegl-mesa0"
# Where the parts lie inside the chroot.
SOURCE, WHEELS, LIBRARY = "/opt/source", "/opt/wheels", "/opt/stage.so"
TESTS = ("tests/contract/test_camera.py", "tests/unit/test_camera_picamera2.py")

_ENTER = """
root=$1 source=$2 wheels=$3; shift 3
mount --make-rprivate /
mount --bind "$source" "$root{SOURCE}" && mount --bind "$wheels" "$root{WHEELS}"
mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/tmp"
exec chroot "$root" /usr/bin/env --ignore-environment --chdir={SOURCE} "$@"
""".replace("{SOURCE}", SOURCE).replace("{WHEELS}", WHEELS)


def main(arguments: Sequence[str]) -> int:
    """Make what is missing, then run the tests; return pytest's exit status."""
    console = Console(stderr=True)
    if os.geteuid() != 0:
        console.print("The camera's tests need root: they make a Debian and enter it with chroot.")
        return 1
    root, wheels = debian(console), installed_wheels(console)
    _run(_entered(root, wheels, "gcc", "-Wall", "-Werror", "-shared", "-fPIC", "-O1", "-o", LIBRARY,
                  "tests/kit/virtual_libcamera/stage.c"))  # fmt: skip
    pytest = ("python3", "-m", "pytest", "--noconftest", "-p", "no:cacheprovider", "-k", "libcamera")
    return subprocess.run(_entered(root, wheels, *pytest, *(arguments or TESTS)), check=False).returncode


def debian(console: Console) -> Path:
    """Return a root with libcamera of the backports, made once for each list of packages."""
    wanted = " ".join((SUITE, *PACKAGES, *BACKPORTS, ABSENT))
    root = CACHE / f"camera-root-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    if root.is_dir():
        return root
    making = root.with_name(root.name + ".part")
    shutil.rmtree(making, ignore_errors=True)
    making.parent.mkdir(parents=True, exist_ok=True)
    if shutil.which("mmdebstrap") is None:
        with console.status("Installing mmdebstrap ..."):
            _run(("apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends", "mmdebstrap"))
    archive, install = _archive(), 'chroot "$1" apt-get install --yes --quiet=2'
    with console.status(f"Making a Debian {SUITE} with libcamera (2 minutes) ..."):
        _run(
            ("mmdebstrap", "--mode=root", "--variant=minbase", "--quiet", f"--include={','.join(PACKAGES)}",
             "--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Check-Valid-Until \"false\"",
             "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
             f"--customize-hook=copy-in {_stand_in_package()} /tmp",
             f"--customize-hook={install} /tmp/absent.deb",
             f"--customize-hook={install} -t {SUITE}-backports {' '.join(BACKPORTS)}",
             f"--customize-hook=mkdir \"$1{SOURCE}\" \"$1{WHEELS}\"",
             SUITE, str(making), f"deb {archive} {SUITE} main", f"deb {archive} {SUITE}-backports main")
        )  # fmt: skip
    making.rename(root)
    return root


def installed_wheels(console: Console) -> Path:
    """Return a folder with the locked wheels of the group `camera-test`, for the root's Python."""
    uv = str(Path(sys.executable).with_name("uv"))
    requirements = _run((uv, "export", "--frozen", "--quiet", "--no-header", "--only-group", "camera-test"))
    wheels = CACHE / f"camera-wheels-{hashlib.sha256(requirements.encode()).hexdigest()[:12]}"
    if wheels.is_dir():
        return wheels
    making = wheels.with_name(wheels.name + ".part")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    (making / "requirements.txt").write_text(requirements)
    with console.status("Installing picamera2 ..."):
        _run((uv, "pip", "install", "--quiet", "--target", str(making), "--python-version", PYTHON,
              "--python-platform", "x86_64-manylinux_2_40", "--only-binary", ":all:", "--require-hashes",
              "--requirements", str(making / "requirements.txt")))  # fmt: skip
    making.rename(wheels)
    return wheels


def _entered(root: Path, wheels: Path, *command: str) -> tuple[str, ...]:
    path = f"{SOURCE}:{WHEELS}:{SOURCE}/image-build/stand_ins"
    variables = ("HOME=/root", "PATH=/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1", f"PYTHONPATH={path}",
                 f"{STAGE_LIBRARY}={LIBRARY}")  # fmt: skip
    enter = ("unshare", "--mount", "sh", "-eu", "-c", _ENTER, "enter")
    return (*enter, str(root), str(REPOSITORY), str(wheels), *variables, *command)


def _stand_in_package() -> Path:
    """Make an empty package that provides what libcamera asks for and the tests do not need."""
    folder = CACHE / "absent"
    (folder / "DEBIAN").mkdir(parents=True, exist_ok=True)
    (folder / "DEBIAN" / "control").write_text(
        f"Package: aidpost-absent\nVersion: 1\nArchitecture: all\nMaintainer: Aidpost\nProvides: {ABSENT}\n"
        "Description: stands for what is left out\n"
    )
    package = CACHE / "absent.deb"
    _run(("dpkg-deb", "--build", "--root-owner-group", str(folder), str(package)))
    return package


def _archive() -> str:
    """Return the address from which this machine takes its Debian packages, or Debian's own."""
    targets = _run(("apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian", "Label: Debian"))
    return next(iter(targets.split()), "http://deb.debian.org/debian")


def _run(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
