"""The notice that people are shown and played before anything is captured, by version and language.

A version is a folder with one file for each language. Words that were shown to anybody are never changed:
whoever changes them makes a new version, and people are asked anew. What is stored with an answer is the
version and a digest of the very words, so that it can be shown later what a person said yes or no to.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent
DIGEST_CHARACTERS = 32
"""128 bits in hexadecimal: nobody finds other words for it, and a record has room for it."""


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sentence or two, with its shape."""

    pictogram: str
    words: str


class _Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """The notice in one language."""

    version: str
    language: str
    title: str
    points: tuple[Point, ...]

    @property
    def stated(self) -> str:
        """What is stored with an answer: the version and the digest of the words, at most 64 characters."""
        words = "\n".join([self.title, *(point.words for point in self.points)])
        digest = hashlib.sha256(words.encode()).hexdigest()[:DIGEST_CHARACTERS]
        return f"{self.version} sha256:{digest}"


class Notices:
    """The versions of the notice in a folder; None for those that come with the appliance.

    A site has a folder of its own for words that say who takes the data and how to reach them. Each file is
    read once: what is shown and what is stored are the same words, whoever edits the file meanwhile.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = FOLDER if folder is None else folder
        self._read: dict[tuple[str, str], Notice] = {}

    def languages(self, version: str) -> frozenset[str]:
        """Return the languages of a version."""
        return frozenset(path.stem for path in (self._folder / version).glob("*.toml"))

    def find(self, version: str, tag: str) -> Notice:
        """Return the notice in the language of a BCP 47 tag; a region in it is ignored.

        Raises ValueError where there is none, or where the file is not a notice.
        """
        language = tag.partition("-")[0]
        known = self._read.get((version, language))
        if known is not None:
            return known
        path = self._folder / version / f"{language}.toml"
        if not version.isalnum() or language not in self.languages(version):
            raise ValueError(f"there is no notice of version {version!r} in {language!r} in {self._folder}")
        try:
            words = msgspec.toml.decode(path.read_bytes(), type=_Words)
        except msgspec.MsgspecError as error:
            raise ValueError(f"{path} is not a notice: {error}") from error
        found = Notice(version, language, words.title, words.points)
        return self._read.setdefault((version, language), found)
