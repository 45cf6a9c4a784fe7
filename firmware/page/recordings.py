"""Recorded sentences: which file says a sentence of the screen in a language.

A folder has one folder for each language, with the files and `manifest.json`. A recording belongs to the very
words that it says: where a sentence was changed since, it is not played, and the screen is silent there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from firmware.config import ConfigError

MANIFEST = "manifest.json"
_LONGEST_NAME = 60


class RecordingsMissing(ConfigError):
    """There are no recordings where the configuration says; the message says what to do."""


class Recording(msgspec.Struct, frozen=True):
    """One file: the words that it says, who says them, and its SHA-256."""

    words: str
    voice: str
    file_sha256: str


class Recordings:
    """The recordings of an appliance; folder: None where it has none. Raises RecordingsMissing."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._files: dict[tuple[str, str], str] = {}
        if folder is None:
            return
        manifests = sorted(folder.glob(f"*/{MANIFEST}"))
        if not manifests:
            raise RecordingsMissing(
                f"no recordings in {folder}: `make audio` makes them, or leave `recordings` out of [page]"
            )
        for manifest in manifests:
            language = manifest.parent.name
            for name, recording in read_manifest(manifest.parent).items():
                self._files[language, recording.words] = f"{language}/{name}"

    def find(self, sentences: Iterable[str], tag: str) -> tuple[str, ...]:
        """Return the files that say these sentences, those that have one, as paths inside the folder."""
        language = tag.partition("-")[0]
        found = (self._files.get((language, sentence)) for sentence in sentences)
        return tuple(name for name in found if name is not None)


def read_manifest(folder: Path) -> dict[str, Recording]:
    """Return the recordings of one language by file name; none where there is no manifest."""
    path = folder / MANIFEST
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Recording])


def write_manifest(folder: Path, recordings: dict[str, Recording]) -> None:
    """Write the manifest of one language."""
    ordered = dict(sorted(recordings.items()))
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(ordered)) + b"\n")


def file_name(english: str) -> str:
    """Return the name of the file for a sentence, the same in each language: press-a-little-more.mp3.

    A long sentence is cut, and the beginning of its digest tells it from another that begins like it.
    """
    name = re.sub(r"[^a-z0-9]+", "-", english.lower()).strip("-")
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME].rstrip('-')}-{hashlib.sha256(english.encode()).hexdigest()[:4]}"
    return f"{name}.mp3"
