"""What the image is made of: recipe.toml, read whole or not at all."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

PROJECT = Path(__file__).parents[2]
RECIPE = PROJECT / "image-build/recipe.toml"
SNAPSHOT = "%Y%m%dT%H%M%SZ"

Package = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9+.-]+$")]
Packages = Annotated[tuple[Package, ...], msgspec.Meta(min_length=1)]
Component = Annotated[str, msgspec.Meta(pattern="^[a-z-]+$")]
Module = Annotated[str, msgspec.Meta(pattern="^[a-z0-9_]+$")]
Mebibytes = Annotated[int, msgspec.Meta(gt=0, le=65536)]

# FAT16 with 4,096 clusters of one sector, and room for the claim file.
LEAST_SELECTOR_MIB = 8
# A kernel of 15 MB, an initrd of 5 MB and the firmware of the boards.
LEAST_BOOT_MIB = 48
# LUKS2 takes 16 MiB for its headers, and ext4 with a journal wants room.
LEAST_DATA_MIB = 64
# erofs sums its blocks by crc32c, and modules.dep does not say so: without it the root is refused.
NEEDED_IN_INITRD = ("crc32c_generic", "dm_verity", "erofs")


class RecipeUnusable(Exception):
    """The recipe cannot be built from; the message says what to change."""


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the recipe: an unknown key is a mistake."""


class Debian(Table, frozen=True):
    """Where packages come from.

    snapshot: the moment of the archive, as snapshot.debian.org names it.
    backports: packages that are taken from the suite's backports.
    """

    suite: Annotated[str, msgspec.Meta(pattern="^[a-z]+$")]
    architecture: Annotated[str, msgspec.Meta(pattern="^arm64$")]
    snapshot: Annotated[str, msgspec.Meta(pattern=r"^20\d{6}T\d{6}Z$")]
    components: Annotated[tuple[Component, ...], msgspec.Meta(min_length=1)]
    backports: tuple[Package, ...] = ()


class PackageList(Table, frozen=True):
    """Packages alone."""

    packages: Packages


class Exclude(Table, frozen=True):
    """Paths that no package may bring, and among them those that stay."""

    paths: tuple[str, ...]
    keep: tuple[str, ...] = ()


class Wheels(Table, frozen=True):
    """What is taken from uv.lock, for which Python.

    extras, groups: of the project. without: packages that the appliance never imports. without_files:
    patterns of paths below site-packages, with those among them that stay in keep_files. hollow: patterns
    of libraries that are linked to and never called.
    """

    python: Annotated[str, msgspec.Meta(pattern=r"^3\.\d+$")]
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    without_files: tuple[str, ...] = ()
    keep_files: tuple[str, ...] = ()
    hollow: tuple[str, ...] = ()


class KernelSource(Table, frozen=True):
    """Packages of a kernel and of the boards' firmware, from Debian's archive or from one of their own."""

    packages: Packages
    firmware: tuple[Package, ...] = ()
    archive: Annotated[str, msgspec.Meta(pattern=r"^https?://\S+$")] | None = None
    keyring: Path | None = None


class Modules(Table, frozen=True):
    """Kernel modules by name, without those that they need."""

    initrd_modules: tuple[Module, ...] = ()
    modules: tuple[Module, ...] = ()


class Kernel(Table, frozen=True):
    """Kernel modules that must be there.

    if_there: those that are taken from a kernel that has them. radio: files below /usr/lib/firmware.
    """

    initrd_modules: tuple[Module, ...]
    modules: tuple[Module, ...]
    radio: tuple[str, ...]
    sources: dict[str, KernelSource]
    if_there: Modules = Modules()


class Disk(Table, frozen=True):
    """Sizes of the partitions; there are two of boot and of root."""

    selector_mib: Mebibytes
    boot_mib: Mebibytes
    root_mib: Mebibytes
    data_mib: Mebibytes


class Limits(Table, frozen=True):
    """Sizes in megabytes that a build must not exceed."""

    root_mb: Mebibytes
    compressed_mb: Mebibytes


class Recipe(Table, frozen=True):
    """The whole file."""

    debian: Debian
    toolbox: PackageList
    packages: dict[str, Packages]
    exclude: Exclude
    wheels: Wheels
    kernel: Kernel
    disk: Disk
    limits: Limits
    absent: PackageList | None = None

    def root_packages(self) -> tuple[Package, ...]:
        """Return every package that the root asks for, in order."""
        return tuple(sorted(name for group in self.packages.values() for name in group))


def load(path: Path = RECIPE) -> Recipe:
    """Read and check the recipe; raises RecipeUnusable."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeUnusable(f"cannot read the recipe {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, nested without end
        raise RecipeUnusable(f"{path} is not valid TOML: {error}") from error
    try:
        recipe = msgspec.convert(raw, Recipe, dec_hook=_path, strict=True)
    except msgspec.ValidationError as error:
        raise RecipeUnusable(f"{path}: {_in_words(str(error))}") from error
    if mistakes := list(_contradictions(recipe)):
        raise RecipeUnusable(f"{path}: " + "; ".join(mistakes))
    return recipe


def _path(kind: type, value: object) -> Path:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"expected {kind.__name__}")


def _in_words(message: str) -> str:
    unknown = re.search(r"unknown field `([^`]*)`(?: - at `\$\.?([^`]*)`)?", message)
    if unknown:
        where = f"[{unknown[2]}]" if unknown[2] else "the top level"
        return f"unknown key `{unknown[1]}` in {where}"
    return message.replace("`$.", "`").replace("Object", "Table")


def _contradictions(recipe: Recipe) -> list[str]:
    """Return what the types cannot say, as sentences."""
    said: list[str] = []
    try:
        datetime.strptime(recipe.debian.snapshot, SNAPSHOT).replace(tzinfo=UTC)
    except ValueError:
        said.append(f"[debian] snapshot = {recipe.debian.snapshot} is no day: write it as 20261126T000000Z")
    names = recipe.root_packages()
    if twice := sorted({name for name in names if names.count(name) > 1}):
        said.append(f"listed twice in [packages]: {', '.join(twice)}")
    if recipe.absent and (both := sorted(set(names) & set(recipe.absent.packages))):
        said.append(f"both in [packages] and [absent]: {', '.join(both)}")
    if missing := [name for name in NEEDED_IN_INITRD if name not in recipe.kernel.initrd_modules]:
        said.append(f"[kernel] initrd_modules lacks what opens the root: {', '.join(missing)}")
    if "debian" not in recipe.kernel.sources:
        said.append("[kernel.sources] has no `debian`, which the tests start in QEMU")
    for name, source in recipe.kernel.sources.items():
        if (source.archive is None) != (source.keyring is None):
            said.append(f"[kernel.sources.{name}] needs both `archive` and `keyring`, or neither")
    disk, limits = recipe.disk, recipe.limits
    for part, size, least in (
        ("selector", disk.selector_mib, LEAST_SELECTOR_MIB),
        ("boot", disk.boot_mib, LEAST_BOOT_MIB),
        ("data", disk.data_mib, LEAST_DATA_MIB),
    ):
        if size < least:
            said.append(f"[disk] {part}_mib = {size} is too small: {least} at least")
    if disk.root_mib << 20 < limits.root_mb * 1_000_000:
        said.append(f"[disk] root_mib = {disk.root_mib} does not hold the {limits.root_mb} MB of [limits]")
    return said
