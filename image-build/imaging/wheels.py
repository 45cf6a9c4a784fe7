"""The appliance's Python environment: the locked wheels for the image's Python, and the project's own."""

from __future__ import annotations

import shutil
import sysconfig
import zipfile
from pathlib import Path

from imaging.commands import run
from imaging.hashing import key
from imaging.hollow import hollow
from imaging.recipe import PROJECT, Wheels
from imaging.toolbox import Toolbox

FORM = 2
# Modules that picamera2 imports and this system does not use.
STAND_INS = PROJECT / "image-build/stand_ins"
UV = Path(sysconfig.get_path("scripts")) / "uv"
# What Debian's Python of this suite runs: glibc 2.41.
PLATFORM = "aarch64-manylinux_2_40"
VENV = Path("usr/lib/aidpost/venv")
# As systemd gives it to every service (zz-aidpost.conf), for who calls the command otherwise.
_COMMAND = """\
import os
import sys

os.environ["OPENCV_VIDEOIO_PRIORITY_FFMPEG"] = "0"

from firmware.cli import main

sys.exit(main())
"""
# Of how a wheel came onto the machine that built the image: its paths and addresses.
TRACES = ("direct_url.json", "uv_cache.json", "INSTALLER", "REQUESTED")


def requirements(wheels: Wheels) -> str:
    """Return what uv.lock holds for the appliance, with digests; raises CommandFailed."""
    words = ["export", "--frozen", "--quiet", "--no-header", "--no-annotate", "--no-default-groups"]
    words += ["--no-emit-project", *(f"--extra={extra}" for extra in wheels.extras)]
    words += [f"--group={group}" for group in wheels.groups]
    words += [word for name in wheels.without for word in ("--prune", name)]
    return run([UV, *words], cwd=PROJECT).decode()


def have(wheels: Wheels, toolbox: Toolbox, cache: Path) -> Path:
    """Return the folder of the locked wheels, installed when the lock has changed; raises CommandFailed."""
    wanted = requirements(wheels)
    folder = cache / "wheels" / key(FORM, wheels, PLATFORM, wanted)
    if folder.exists():
        return folder
    new = folder.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    (file := new.with_suffix(".txt")).write_text(wanted)
    platform = ["--python-platform", PLATFORM, "--python-version", wheels.python]
    exactly = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--link-mode", "copy"]
    run([UV, "pip", "install", "--quiet", *platform, *exactly, "--target", new, "--requirements", file])
    file.unlink()
    shutil.rmtree(new / "bin", ignore_errors=True)  # commands, with the path of this machine's Python
    _without_traces(new)
    _trim(new, wheels, toolbox)
    (work := new.with_suffix(".hollow")).mkdir(exist_ok=True)
    hollow(new, wheels.hollow, toolbox, work)
    shutil.rmtree(work)
    _compile(new, wheels, toolbox)
    new.rename(folder)
    return folder


def install(root: Path, site: Path, wheels: Wheels, toolbox: Toolbox, work: Path) -> None:
    """Put the environment into the root: `site`, the project's own wheel and the command `aidpost`."""
    venv = root / VENV
    packages = venv / f"lib/python{wheels.python}/site-packages"
    shutil.copytree(site, packages, symlinks=True)
    own = _own_wheel(work, toolbox.epoch)
    ours = work / "own"
    with zipfile.ZipFile(own) as wheel:
        wheel.extractall(ours)
    shutil.copytree(STAND_INS, ours, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    _compile(ours, wheels, toolbox)
    shutil.copytree(ours, packages, symlinks=True, dirs_exist_ok=True)
    (venv / "bin").mkdir(parents=True)
    for name in ("python", "python3"):
        (venv / "bin" / name).symlink_to("/usr/bin/python3")
    (venv / "pyvenv.cfg").write_text(
        # Debian's python3-libcamera is seen as well.
        f"home = /usr/bin\ninclude-system-site-packages = true\nversion = {wheels.python}\n"
    )
    command = venv / "bin/aidpost"
    command.write_text(f"#!/{VENV}/bin/python3\n{_COMMAND}")
    command.chmod(0o755)


def _own_wheel(work: Path, epoch: int) -> Path:
    shutil.rmtree(work / "dist", ignore_errors=True)
    out = work / "dist"
    run([UV, "build", "--quiet", "--wheel", "--out-dir", out, PROJECT], env={"SOURCE_DATE_EPOCH": str(epoch)})
    return next(out.glob("*.whl"))


def _compile(folder: Path, wheels: Wheels, toolbox: Toolbox) -> None:
    """Write the bytecode, which nobody can write later: the root is read-only.

    unchecked-hash: the times of the files say nothing, and nothing is compared when a module is imported.
    """
    quiet = (
        "-q",
        "-q",
        "--invalidation-mode",
        "unchecked-hash",
        "-s",
        folder,
        "-p",
        f"/{VENV}/lib/python{wheels.python}/site-packages",
    )
    toolbox.run(f"python{wheels.python}", "-m", "compileall", "-j", "1", *quiet, folder)


def _trim(folder: Path, wheels: Wheels, toolbox: Toolbox) -> None:
    """Remove what nothing loads; raises FileNotFoundError when a pattern finds nothing."""
    keep = {folder / name for name in wheels.keep_files}
    for pattern in wheels.without_files:
        found = [path for path in folder.glob(pattern) if path.is_file() and path not in keep]
        if not found:
            raise FileNotFoundError(f"[wheels] without_files: {pattern}")
        for path in found:
            path.unlink()
    # sqlcipher3 and zstandard come with 30 MB for debuggers, LiteRT, numpy and cryptography with names of
    # functions that nobody outside can call.
    toolbox.run("aarch64-linux-gnu-strip", "--strip-unneeded", *sorted(folder.rglob("*.so*")))


def _without_traces(folder: Path) -> None:
    for info in folder.glob("*.dist-info"):
        for name in TRACES:
            (info / name).unlink(missing_ok=True)
