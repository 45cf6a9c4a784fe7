"""The kernel, its modules and the boards' firmware, only unpacked: their scripts would build an initrd."""

from __future__ import annotations

import lzma
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from imaging.archives import KEYRING, Archive, sources
from imaging.hashing import key
from imaging.recipe import KernelSource, Recipe
from imaging.toolbox import Toolbox

FORM = 2


class ModulesMissing(Exception):
    """The kernel has modules of these names neither as files nor built in."""


class KeyringMissing(Exception):
    """The keyring of an archive is not there; the message says what to do."""


@dataclass(frozen=True)
class Unpacked:
    """Where a kernel source's packages lie, each in a folder of its own, and their versions by name."""

    folder: Path
    versions: dict[str, str]

    def first(self, pattern: str) -> Path:
        """Return the first path of this pattern; raises FileNotFoundError."""
        for path in sorted(self.folder.glob(pattern)):
            return path
        raise FileNotFoundError(f"{self.folder}/{pattern}")

    def kernels(self) -> list[tuple[str, Path, Path]]:
        """Return release, image and folder of modules of each kernel."""
        images = sorted(self.folder.glob("*/boot/vmlinuz-*"))
        releases = [image.name.removeprefix("vmlinuz-") for image in images]
        return [
            (release, image, self.first(f"*/usr/lib/modules/{release}"))
            for release, image in zip(releases, images, strict=True)
        ]


def have(recipe: Recipe, name: str, archive: Archive, toolbox: Toolbox, cache: Path) -> Unpacked:
    """Return the packages of a kernel source, fetched when the recipe has changed; raises CommandFailed."""
    source = recipe.kernel.sources[name]
    folder = cache / "kernel" / key(FORM, name, source, recipe.debian)
    if not folder.exists():
        new = folder.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        apt = new / "apt"
        for part in ("state/lists/partial", "cache/archives/partial", "files"):
            (apt / part).mkdir(parents=True)
        lines = sources(archive, recipe.debian, backports=False)
        lines = [line.replace("deb ", f"deb [signed-by={KEYRING}] ", 1) for line in lines]
        if source.archive:
            keyring = apt / "keyring.gpg"
            shutil.copyfile(_keyring(source), keyring)  # the toolbox does not see the host's files
            lines.append(f"deb [signed-by={keyring}] {source.archive} {recipe.debian.suite} main")
        (apt / "sources.list").write_text("".join(f"{line}\n" for line in lines))
        settings = {
            "Dir::State": apt / "state",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": apt / "cache",
            "Dir::Etc::SourceList": apt / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "APT::Architecture": recipe.debian.architecture,
            "APT::Architectures": recipe.debian.architecture,
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Check-Valid-Until": "false",
        }
        options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        toolbox.run("apt-get", *options, "-qq", "update")
        wanted = [_behind(package, options, toolbox) for package in source.packages]
        toolbox.run("apt-get", *options, "-qq", "download", *wanted, *source.firmware, cwd=apt / "files")
        for file in sorted((apt / "files").glob("*.deb")):
            package = toolbox.run("dpkg-deb", "--field", file, "Package").decode().strip()
            version = toolbox.run("dpkg-deb", "--field", file, "Version").decode().strip()
            toolbox.run("dpkg-deb", "--extract", file, new / package)
            (new / f"{package}.version").write_text(version)
        for old in new.glob("*/lib"):
            # Packages made before the file systems of /lib and /usr/lib were one.
            shutil.copytree(old, old.parent / "usr/lib", symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(old)
        for modules in sorted(new.glob("*/usr/lib/modules/*")):
            (package_root := modules.parents[3]).joinpath("lib").symlink_to("usr/lib")
            toolbox.run("depmod", "-b", package_root, modules.name)
        shutil.rmtree(apt)
        new.rename(folder)
    versions = {path.stem: path.read_text() for path in sorted(folder.glob("*.version"))}
    return Unpacked(folder, versions)


def _keyring(source: KernelSource) -> Path:
    """Return the keyring of the source's archive; raises KeyringMissing."""
    if source.keyring is None or not source.keyring.is_file():
        raise KeyringMissing(
            f"{source.keyring}, which says which packages of {source.archive} are genuine, is not here. "
            "Install the archive's keyring package, or name its file in [kernel.sources] of the recipe."
        )
    return source.keyring


def _behind(package: str, options: list[str], toolbox: Toolbox) -> str:
    """Return the package of an image that a metapackage such as linux-image-arm64 depends on, else itself."""
    said = toolbox.run("apt-cache", *options, "depends", "--important", package).decode()
    images = [line.split()[-1] for line in said.splitlines() if "Depends: linux-image-" in line]
    return images[0] if images else package


def closure(modules: Path, wanted: Iterable[str], if_there: Iterable[str] = ()) -> list[Path]:
    """Return the files of modules and of what they need, what is needed first, relative to `modules`.

    Modules that are built in need no file; those of `if_there` may be missing. Raises ModulesMissing.
    """
    needs = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        file, _, behind = line.partition(":")
        needs[file] = behind.split()
    files = {_module(file): file for file in needs}
    built_in = {_module(line) for line in (modules / "modules.builtin").read_text().splitlines()}
    order: list[str] = []
    missing = []
    needed = tuple(wanted)
    for name in (*needed, *if_there):
        if name in files:
            # modules.dep names the nearest first: they are loaded from the end.
            for file in [*reversed(needs[files[name]]), files[name]]:
                if file not in order:
                    order.append(file)
        elif name not in built_in and name in needed:
            missing.append(name)
    if missing:
        raise ModulesMissing(", ".join(missing))
    return [Path(file) for file in order]


def _module(file: str) -> str:
    return Path(file).name.split(".ko")[0].replace("-", "_")


def uncompressed(file: Path) -> bytes:
    """Return a module as the kernel loads it."""
    data = file.read_bytes()
    return lzma.decompress(data) if file.suffix == ".xz" else data
