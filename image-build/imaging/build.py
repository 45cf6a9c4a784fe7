"""Builds the image: each step from what the steps before it made, in one place to read."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from imaging import archives, base, disk, kernel, root, slot, toolbox, wheels
from imaging.hashing import file_digest
from imaging.recipe import Recipe
from imaging.steps import BuildFailed, Steps

NETWORK = "The packages come over the network: try again, or name another archive with --archive."


@dataclass(frozen=True)
class Order:
    """What is to be built: version and kernel, where to, and from where.

    keyring: certificate that update bundles must be signed with; without one no update is taken.
    archive: address of a Debian archive instead of the recipe's day.
    """

    version: str
    kernel: str
    out: Path
    cache: Path
    keyring: Path | None = None
    archive: str | None = None


class Made(msgspec.Struct, frozen=True):
    """What was built, as image.json says it; sizes in bytes, digests SHA-256."""

    version: str
    kernel: str
    root_hash: str
    hash_offset: int
    digests: dict[str, str]
    sizes: dict[str, int]


def refuse_without_root() -> None:
    """Raise BuildFailed when the process may not mount and change owners."""
    if os.geteuid() != 0:
        raise BuildFailed(
            "The image is made in roots of its own with devices and owners, which needs root: sudo make image"
        )


@contextmanager
def alone(cache: Path) -> Iterator[None]:
    """Keep other builds away from the cache; raises BuildFailed."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BuildFailed(f"another build uses {cache}: wait for it, or name another --cache") from error
        yield


def build(recipe: Recipe, order: Order, steps: Steps) -> Made:
    """Make root, boot partition and disk in order.out; raises BuildFailed."""
    refuse_without_root()
    order.out.mkdir(parents=True, exist_ok=True)
    with alone(order.cache):
        work = order.out / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            return _build(recipe, order, steps, work)
        except (FileNotFoundError, kernel.ModulesMissing) as error:
            raise BuildFailed(f"the recipe asks for what is not there: {error}") from error
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _build(recipe: Recipe, order: Order, steps: Steps, work: Path) -> Made:
    out, cache = order.out, order.cache
    archive = _archive(recipe, order, steps)
    with steps.step("Tools", NETWORK) as step:
        tools = toolbox.have(recipe, archive, cache, folders=(cache, out))
    with tools.arm64():
        with steps.step("Packages of the root", NETWORK) as step:
            found = base.have(recipe, archive, {}, tools, cache)
            step.said = (
                f"{found.tar.stat().st_size / 1e6:.0f} MB, {'made' if found.made else 'from the cache'}"
            )
        with steps.step(f"Kernel of {order.kernel}", NETWORK) as step:
            unpacked = kernel.have(recipe, order.kernel, archive, {}, tools, cache)
            step.said = ", ".join(release for release, _, _ in unpacked.kernels())
        with steps.step("Wheels", "uv fetches them from PyPI: try again.") as step:
            site = wheels.have(recipe.wheels, tools, cache)
        with steps.step("Root") as step:
            folder = work / "root"
            status = root.unpack(found.tar, folder)
            root.add_modules(folder, unpacked, recipe.kernel.modules, tools)
            root.add_firmware(folder, unpacked, recipe.kernel.radio)
            wheels.install(folder, site, recipe.wheels, tools, work)
            root.add_own(folder, order.version, order.keyring)
            root.settle(folder, tools)
            step.said = f"{len(base.installed(status))} packages"
    with steps.step("Root image with its hash tree") as step:
        made = slot.make_root(folder, order.version, out / "root.img", tools)
        step.said = f"{made.image.stat().st_size / 1e6:.1f} MB"
    with steps.step("Boot partition"):
        slot.make_boot(work / "boot", folder, made, recipe, unpacked, out / "boot.img", tools)
    with steps.step("Disk"):
        disk.make(recipe.disk, made, out / "boot.img", out / "disk.img", work, tools)
    with steps.step("Digests"):
        names = ("root.img", "boot.img", "disk.img")
        digests = {name: file_digest(out / name) for name in names}
    sizes = {name: (out / name).stat().st_size for name in names}
    result = Made(order.version, order.kernel, made.root_hash, made.hash_offset, digests, sizes)
    (out / "image.json").write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    return result


def _archive(recipe: Recipe, order: Order, steps: Steps) -> archives.Archive:
    if order.archive:
        return archives.moving(order.archive)
    day = archives.pinned(recipe.debian)
    if archives.reachable(day, recipe.debian.suite):
        return day
    now = archives.moving()
    steps.note(f"{day.name} cannot be reached: packages come from {now.name}.")
    return now
