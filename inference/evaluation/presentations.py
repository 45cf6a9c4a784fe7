"""Reads sets of presentations: bona fide ones, and attacks with one folder for each species."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inference.evaluation.datasets import DataSetRefused

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm")


@dataclass(frozen=True, slots=True)
class PresentationFiles:
    """One presentation: a single image, or the frames of a sequence in the order of their names."""

    name: str
    frames: tuple[Path, ...]


def read_species(folder: Path, *, each_image: bool) -> Mapping[str, list[PresentationFiles]]:
    """Read the attacks: one folder for each species of instrument. Raises DataSetRefused."""
    entries = _entries(folder)
    loose = [path for path in entries if _is_image(path)]
    if loose:
        raise DataSetRefused(
            f"{loose[0]} belongs to no species: put the attacks into one folder for each species of "
            f"instrument, such as {folder}/print and {folder}/replay"
        )
    species = [path for path in entries if path.is_dir()]
    if not species:
        raise DataSetRefused(f"{folder} holds no folder of a species; it needs one for each, with images")
    return {path.name: read_presentations(path, each_image=each_image) for path in species}


def read_presentations(folder: Path, *, each_image: bool) -> list[PresentationFiles]:
    """Read one set: each image in the folder is a presentation, each folder in it a sequence of frames.

    each_image: every image at any depth is a presentation of its own, as in LFW's layout.
    Raises DataSetRefused.
    """
    entries = _entries(folder)
    if each_image:
        images = sorted(path for path in folder.rglob("*") if _is_image(path))
        found = [PresentationFiles(str(path.relative_to(folder)), (path,)) for path in images]
    else:
        found = [_presentation(path) for path in entries if path.is_dir() or _is_image(path)]
    if not found:
        raise DataSetRefused(
            f"{folder} holds no image; it needs {', '.join(IMAGE_SUFFIXES)} files, or folders of frames"
        )
    return found


def _presentation(path: Path) -> PresentationFiles:
    if path.is_file():
        return PresentationFiles(path.name, (path,))
    inside = _entries(path)
    if any(entry.is_dir() for entry in inside):
        raise DataSetRefused(
            f"{path} holds folders, but a folder here is one sequence of frames; for a tree in which every "
            "image is a presentation of its own, give --each-image"
        )
    frames = tuple(entry for entry in inside if _is_image(entry))
    if not frames:
        raise DataSetRefused(f"{path} holds no image: remove it, or put the frames of one presentation there")
    return PresentationFiles(path.name, frames)


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataSetRefused(f"the folder {folder} does not exist")
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in entries:
        if path.suffix.lower() in VIDEO_SUFFIXES:
            raise DataSetRefused(
                f"{path} is a video: put its frames into a folder {path.with_suffix('')}, "
                f"for instance with ffmpeg -i {path.name} {path.stem}/%04d.png, and take it away"
            )
    return entries


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
