"""Builds the image: each step from what the steps before it made, in one place to read."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from packaging.version import InvalidVersion, Version

from imaging import archives, base, bom, disk, kernel, keyring, lock, root, slot, toolbox, wheels
from imaging.hashing import file_digest
from imaging.hollow import NotHollow
from imaging.recipe import PROJECT, Recipe
from imaging.steps import FULL, BuildFailed, Steps, in_words

FILES = ("root.img", "boot.img", "disk.img", "disk.img.zst")
# What lay there after a build without a cache was 1.3 and 2.2 GB; on the way it is more.
OUT_GB, FIRST_CACHE_GB, LATER_CACHE_GB = 2.0, 4.0, 1.0
NETWORK = "The packages come over the network: try again, or name another archive with --archive."


@dataclass(frozen=True)
class Order:
    """What is to be built: version and kernel, where to, and from where.

    keyring: who may sign update bundles, and who may no more; without one no update is taken.
    archive: address of a Debian archive instead of the recipe's day. anew: make the cached packages again.
    locked: refuse versions that are not in packages.lock. update_lock: write them there. fast: pack the root
    quickly, and let it be larger than the recipe allows.
    """

    version: str
    kernel: str
    out: Path
    cache: Path
    keyring: Path | None = None
    archive: str | None = None
    anew: bool = False
    locked: bool = False
    update_lock: bool = False
    fast: bool = False


class Made(msgspec.Struct, frozen=True):
    """What was built, as image.json says it; sizes in bytes, digests SHA-256. packing: of mkfs.erofs."""

    version: str
    kernel: str
    root_hash: str
    hash_offset: int
    packing: tuple[str, ...]
    digests: dict[str, str]
    sizes: dict[str, int]


class _Version(msgspec.Struct, frozen=True):
    version: str


def refuse_useless(order: Order) -> None:
    """Raise BuildFailed for a version that cannot be compared, and a keyring with which nothing is taken."""
    try:
        Version(order.version)
    except InvalidVersion as error:
        raise BuildFailed(
            f"{order.version} is no version: write it as 1.2.0, since appliances take higher ones alone"
        ) from error
    if order.keyring is not None:
        try:
            keyring.checked(order.keyring, datetime.now(UTC))
        except keyring.KeyringUnusable as error:
            raise BuildFailed(str(error)) from error


def whose_updates(given: Path | None) -> str:
    """Say at the end of a build by this keyring whose updates its image takes. Raises KeyringUnusable."""
    if given is None:
        return (
            "THIS IMAGE TAKES NO UPDATES, EVER: it was built without a keyring, and a card in the field\n"
            "gets no other. For more than a try make keys and build it once more, at the project's root:\n"
            "    sudo .venv/bin/python -m imaging keys\n"
            "    sudo make image\n"
            "Keys of a fleet are made elsewhere and given by --keyring (docs/updates.md)."
        )
    authorities = "; ".join(map(str, keyring.checked(given, datetime.now(UTC))))
    return f"It takes updates by {given}: {authorities}."


def refuse_without_root() -> None:
    """Raise BuildFailed when the process may not mount and change owners."""
    if os.geteuid() != 0:
        raise BuildFailed(
            "The image is made in roots of its own with devices and owners, which needs root: sudo make image"
        )


def refuse_full(order: Order) -> None:
    """Raise BuildFailed where the disk would be full after minutes of work."""
    cache_gb = LATER_CACHE_GB if (order.cache / "toolbox").exists() else FIRST_CACHE_GB
    for folder, needed_gb in ((order.out, OUT_GB), (order.cache, cache_gb)):
        free_gb = shutil.disk_usage(folder).free / 1e9
        if free_gb < needed_gb:
            raise BuildFailed(f"{folder} has {free_gb:.1f} GB free, and the build needs {needed_gb}. {FULL}")


@contextmanager
def alone(cache: Path) -> Iterator[None]:
    """Keep other builds away from the cache; raises BuildFailed."""
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BuildFailed(f"another build uses {cache}: wait for it, or name another --cache") from error
        yield


def build(recipe: Recipe, order: Order, steps: Steps) -> Made:
    """Make root, boot partition and disk in order.out; raises BuildFailed."""
    refuse_useless(order)
    refuse_without_root()
    try:
        order.out.mkdir(parents=True, exist_ok=True)
        order.cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildFailed(f"the folders of --out and --cache: {in_words(error)}") from error
    refuse_full(order)
    with alone(order.cache):
        work = order.out / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            return _build(recipe, order, steps, work)
        except (kernel.ModulesMissing, NotHollow) as error:
            raise BuildFailed(f"the recipe asks for what is not there: {error}") from error
        except OSError as error:
            raise BuildFailed(in_words(error)) from error
        except kernel.KeyringMissing as error:
            raise BuildFailed(str(error)) from error
        except disk.TooLarge as error:
            raise BuildFailed(f"[disk] of the recipe is too small: {error}") from error
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _build(recipe: Recipe, order: Order, steps: Steps, work: Path) -> Made:
    out, cache, folder = order.out, order.cache, work / "root"
    if order.keyring is None:
        steps.note("No keyring: this image will take no updates.")
    if (former := built_before(out)) is not None and Version(order.version) < Version(former):
        steps.note(f"{out} holds {former}: appliances that run it never take {order.version}.")
    archive = _archive(recipe, order, steps)
    with steps.step("Tools", NETWORK):
        tools = toolbox.have(recipe, archive, cache, folders=(cache, out))
    with tools.arm64():
        with steps.step("Packages of the root", NETWORK) as step:
            found = base.have(recipe, archive, tools, cache, anew=order.anew)
            step.said = f"{found.tar.stat().st_size / 1e6:.0f} MB, {'made' if found.made else 'as cached'}"
        with steps.step(f"Kernel of {order.kernel}", NETWORK) as step:
            unpacked = kernel.have(recipe, order.kernel, archive, tools, cache)
            step.said = ", ".join(release for release, _, _ in unpacked.kernels())
        with steps.step("Wheels", "uv fetches them from PyPI: try again."):
            site = wheels.have(recipe.wheels, tools, cache)
        with steps.step("Root") as step:
            versions = base.installed(root.unpack(found.tar, folder))
            modules = recipe.kernel
            root.add_modules(folder, unpacked, modules.modules, tools, modules.if_there.modules)
            root.add_firmware(folder, unpacked, recipe.kernel.radio)
            wheels.install(folder, site, recipe.wheels, tools, work)
            root.add_own(folder, order.version, order.keyring)
            root.settle(folder, tools)
            root.share_licences(folder)
            step.said = f"{len(versions)} packages"
    parts = {"root": versions, "toolbox": tools.versions(), f"kernel {order.kernel}": unpacked.versions}
    _compare(parts, order, steps)
    components = bom.packages(versions, recipe.debian.suite, folder)
    for name, version in unpacked.versions.items():
        components += bom.packages({name: version}, recipe.debian.suite, unpacked.folder / name)
    components += bom.wheels(folder / wheels.VENV / f"lib/python{recipe.wheels.python}/site-packages")
    bill = bom.write(order.version, tools.epoch, components)
    (out / "bom.cdx.json").write_bytes(bill)
    (folder / "usr/share/doc/aidpost").mkdir(exist_ok=True)
    (folder / "usr/share/doc/aidpost/bom.cdx.json").write_bytes(bill)
    _refuse_traces(folder, order)
    with steps.step("Root image with its hash tree") as step:
        packing = slot.FAST_PACKING if order.fast else slot.PACKING
        made = slot.make_root(folder, out / "root.img", tools, packing)
        step.said = f"{made.image.stat().st_size / 1e6:.1f} MB"
    with steps.step("Boot partition"):
        slot.make_boot(work / "boot", folder, made, recipe, unpacked, out / "boot.img", tools)
    with steps.step("Disk"):
        program = unpacked.folder / slot.FIRMWARE / disk.FIRST_BOARD_PROGRAM
        disk.make(recipe.disk, made, out / "boot.img", program, out / "disk.img", work, tools)
    with steps.step("Packed disk") as step:
        tools.run(
            "zstd", "--quiet", "--force", "-6", "--threads=0", out / "disk.img", "-o", out / "disk.img.zst"
        )
        step.said = f"{(out / 'disk.img.zst').stat().st_size / 1e6:.1f} MB"
    return _judged(recipe, order, made, packing)


def built_before(out: Path) -> str | None:
    """Return the version that a build left there, None where none can be read."""
    try:
        return msgspec.json.decode((out / "image.json").read_bytes(), type=_Version).version
    except (OSError, ValueError):
        return None


def _refuse_traces(folder: Path, order: Order) -> None:
    """Raise BuildFailed when a file of the root names a folder of this machine or its own archive."""
    words = [str(PROJECT), str(order.cache), str(order.out), order.archive or PROJECT]
    if found := root.naming(folder, [str(word) for word in words if word != archives.DEBIAN]):
        raise BuildFailed("the root names this machine's folders or archive: " + ", ".join(found[:5]))


def _judged(recipe: Recipe, order: Order, made: slot.Root, packing: tuple[str, ...]) -> Made:
    """Write image.json; raises BuildFailed when something is larger than the recipe allows."""
    digests = {name: file_digest(order.out / name) for name in FILES}
    sizes = {name: (order.out / name).stat().st_size for name in FILES}
    result = Made(order.version, order.kernel, made.root_hash, made.hash_offset, packing, digests, sizes)
    text = msgspec.json.format(msgspec.json.encode(result))
    (order.out / "image.json").write_bytes(text + b"\n")
    limits = recipe.limits
    for name, most_mb in (("root.img", limits.root_mb), ("disk.img.zst", limits.compressed_mb)):
        if sizes[name] > most_mb * 1_000_000 and not order.fast:
            size_mb = sizes[name] / 1e6
            raise BuildFailed(
                f"{order.out / name} has {size_mb:.1f} MB, and the recipe's [limits] allow {most_mb}: "
                "take packages out of it, or raise the limit"
            )
    return result


def _compare(found: lock.Versions, order: Order, steps: Steps) -> None:
    """Compare what was taken with packages.lock, or write that; raises BuildFailed if none may differ."""
    locked = lock.load()
    if order.update_lock:
        lock.save({**locked, **found})
        return
    said = lock.differences(locked, found)
    if not said:
        return
    if order.locked:
        raise BuildFailed("not as in packages.lock:\n" + "\n".join(said))
    steps.note(
        f"{len(said)} packages are not as in packages.lock (--update-lock takes them): {'; '.join(said)}"
    )


def _archive(recipe: Recipe, order: Order, steps: Steps) -> archives.Archive:
    if order.archive:
        return archives.moving(order.archive)
    day = archives.pinned(recipe.debian)
    if archives.reachable(day, recipe.debian.suite):
        return day
    now = archives.moving()
    steps.note(f"{day.name} cannot be reached: packages come from {now.name}.")
    return now
