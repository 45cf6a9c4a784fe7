"""The picamera2 driver on real picamera2 and libcamera: `python -m tests.image.camera`.

libcamera's virtual pipeline plays the camera (tests/kit/virtual_libcamera). Arguments go to pytest. As
root: it makes a Debian with the image's camera packages by the image's own recipe, and enters it with chroot.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from imaging import archives, base, build, toolbox
from imaging.commands import CommandFailed
from imaging.recipe import load
from imaging.steps import BuildFailed
from tests.image.tools import CACHE, REPOSITORY
from tests.kit.camera_rigs import STAGE_LIBRARY

COMPILER = ("gcc", "libc6-dev")  # for tests/kit/virtual_libcamera/stage.c
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
    try:
        root, wheels = debian(console), installed_wheels(console)
    except (BuildFailed, CommandFailed) as fault:
        console.print(str(fault), markup=False)
        return 1
    _run(_entered(root, wheels, "gcc", "-Wall", "-Werror", "-shared", "-fPIC", "-O1", "-o", LIBRARY,
                  "tests/kit/virtual_libcamera/stage.c"))  # fmt: skip
    # Without the project's options, which share tests among processes: pytest-xdist is not there.
    pytest = ["python3", "-m", "pytest", "--override-ini", "addopts=", "--noconftest"]
    pytest += ["-p", "no:cacheprovider", "-k", "libcamera", *(arguments or TESTS)]
    return subprocess.run(_entered(root, wheels, *pytest), check=False).returncode


def debian(console: Console) -> Path:
    """Return an amd64 root with the image's camera packages, made when the recipe has changed."""
    recipe = load()
    own = msgspec.structs.replace(
        recipe,
        debian=msgspec.structs.replace(recipe.debian, architecture="amd64"),
        packages={
            "camera": recipe.packages["camera"],
            "python": recipe.packages["python"],
            "tests": COMPILER,
        },
    )
    tar = base.place(own, CACHE)
    root = CACHE / "camera" / tar.stem
    if root.is_dir():
        return root
    with build.alone(CACHE), console.status("Making a Debian with libcamera (5 minutes) ..."):
        day = archives.pinned(recipe.debian)
        archive = day if archives.reachable(day, recipe.debian.suite) else archives.moving()
        tools = toolbox.have(recipe, archive, CACHE, folders=(CACHE,))
        making = root.with_suffix(".part")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        _run(("tar", "--extract", "--file", str(base.have(own, archive, tools, CACHE).tar),
              "--directory", str(making), "--exclude=./dev/*"))  # fmt: skip
        for place in (SOURCE, WHEELS):
            (making / place.removeprefix("/")).mkdir(parents=True)
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
    python = load().wheels.python
    with console.status("Installing picamera2 ..."):
        _run((uv, "pip", "install", "--quiet", "--target", str(making), "--python-version", python,
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


def _run(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
