"""The packages of the root: made by mmdebstrap, kept as an archive by the digest of what it is made from."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from imaging.archives import KEYRING, Archive, sources
from imaging.hashing import key
from imaging.recipe import Debian, Recipe
from imaging.toolbox import Toolbox

# Part of the key: what this module does with the recipe.
FORM = 1
STAND_IN = "aidpost-absent"


@dataclass(frozen=True)
class Base:
    """An archive of the root's packages, made or found."""

    tar: Path
    made: bool


def place(recipe: Recipe, cache: Path) -> Path:
    """Return where the archive of this recipe lies, whether it is there or not."""
    name = key(FORM, recipe.debian, recipe.packages, recipe.exclude, recipe.absent)
    return cache / "base" / f"{name}.tar"


def have(
    recipe: Recipe,
    archive: Archive,
    toolbox: Toolbox,
    cache: Path,
    *,
    anew: bool = False,
) -> Base:
    """Return the archive, made when the recipe has changed or `anew` is asked for; raises CommandFailed.

    The toolbox must be able to start programs of arm64.
    """
    tar = place(recipe, cache)
    if tar.exists() and not anew:
        return Base(tar, made=False)
    work = cache / "base" / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    debian = recipe.debian
    (work / "preferences").write_text(preferences(debian))
    (work / "packages").mkdir()
    include = list(recipe.root_packages())
    lines = sources(archive, debian, backports=bool(debian.backports))
    hooks = [f"--setup-hook=install -D -m 644 {work}/preferences $1/etc/apt/preferences.d/aidpost"]
    if recipe.absent:
        include.append(STAND_IN)
        _stand_in(recipe.absent.packages, work / "packages", toolbox)
        lines.append(f"deb [trusted=yes] copy:{work}/packages ./")
        hooks.append(f"--setup-hook=mkdir -p $1{work} && cp -r {work}/packages $1{work}")
    options = [
        'APT::Install-Recommends "false"',
        'Acquire::Languages "none"',
        'Acquire::Check-Valid-Until "false"',
    ]
    paths = [f"path-exclude={path}" for path in recipe.exclude.paths]
    paths += [f"path-include={path}" for path in recipe.exclude.keep]
    new = work / "base.tar"
    toolbox.run(
        "mmdebstrap",
        "--mode=root",
        # Without apt: the image is replaced as a whole.
        "--variant=essential",
        f"--architectures={debian.architecture}",
        f"--keyring={KEYRING}",
        *(f"--aptopt={option}" for option in options),
        *(f"--dpkgopt={path}" for path in paths),
        *hooks,
        f"--include={','.join(include)}",
        debian.suite,
        new,
        *lines,
        cwd=work,
    )
    new.rename(tar)
    shutil.rmtree(work)
    return Base(tar, made=True)


def preferences(debian: Debian) -> str:
    """Return apt's preferences: the named packages from backports, and no others."""
    if not debian.backports:
        return ""
    names = " ".join(debian.backports)
    return f"Package: {names}\nPin: release n={debian.suite}-backports\nPin-Priority: 900\n"


def _stand_in(absent: tuple[str, ...], folder: Path, toolbox: Toolbox) -> None:
    """Put a package into `folder` that holds nothing and provides those that are absent."""
    source = folder / "source"
    (source / "DEBIAN").mkdir(parents=True)
    (source / "DEBIAN/control").write_text(
        f"Package: {STAND_IN}\nVersion: 1\nArchitecture: all\nMaintainer: Aidpost <root@localhost>\n"
        f"Provides: {', '.join(absent)}\nDescription: stands in for packages that this system does not use\n"
    )
    toolbox.run("dpkg-deb", "--root-owner-group", "--build", source, f"{STAND_IN}.deb", cwd=folder)
    shutil.rmtree(source)
    (folder / "Packages").write_bytes(toolbox.run("dpkg-scanpackages", ".", cwd=folder))


def installed(status: str) -> dict[str, str]:
    """Return the versions of installed packages by name, from the text of dpkg's status file."""
    found = {}
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^([A-Z][A-Za-z-]*): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed") and fields["Package"] != STAND_IN:
            found[fields["Package"]] = fields["Version"]
    return found
