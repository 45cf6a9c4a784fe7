"""The fingers of a gallery in memory: codes, packed as a search reads them, and sealed templates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from inference.protection.finger import CHUNK, CODE_WORDS, LEAST_KEPT, Codes, Floats, alike
from inference.types import FingerPosition, ProtectedFinger

ROWS_STEP = 8
"""Numbers of codes are rounded up to a multiple, so that there are few kinds of blocks."""


class FingerPlace(NamedTuple):
    """Where a finger of an entry lies, until it is removed."""

    shelf: _Shelf
    number: int

    def is_of(self, position: FingerPosition, sensor: str) -> bool:
        """Whether it is this finger, taken by this model of reader."""
        return self.shelf.position is position and self.shelf.sensor == sensor


class FingerIndex:
    """Fingers by position, reader and number of codes; it belongs to one thread.

    As objects of their own a gallery of 40,000 fingers took 130 MB, packed 108: their codes are 51, what is
    sealed 22.
    """

    def __init__(self) -> None:
        self._shelves: dict[tuple[FingerPosition, str, int], _Shelf] = {}

    def add(self, entry_id: bytes, finger: ProtectedFinger, minutiae: int) -> FingerPlace:
        """Take in a finger of an entry. A copy of its codes is kept.

        minutiae: how many it has. One has one code at most, and what fills the codes up comes after them.
        """
        rows = min(len(finger.codes), -(-minutiae // ROWS_STEP) * ROWS_STEP)
        kind = (finger.position, finger.sensor, rows)
        shelf = self._shelves.get(kind)
        if shelf is None:
            shelf = self._shelves[kind] = _Shelf(*kind)
        return FingerPlace(shelf, shelf.add(entry_id, finger))

    def remove(self, place: FingerPlace) -> None:
        """Forget a finger and overwrite its codes; what is sealed goes with its key."""
        place.shelf.remove(place.number)

    def sealed(self, place: FingerPlace) -> bytes:
        """Return the sealed template of a finger."""
        return place.shelf.sealed[place.number]

    def shortlist(
        self, probe: Codes, position: FingerPosition, sensor: str, among: Iterable[FingerPlace] | None = None
    ) -> list[bytes]:
        """Return the entries whose fingers of this position and reader are most like the probe, best first.

        It keeps `LEAST_KEPT` fingers: the full comparison decides. probe: as `CylinderCodes.of` gives them,
        not filled. among: the only fingers that are looked at, all by default.
        """
        if among is None:
            every = [
                shelf for shelf in self._shelves.values() if FingerPlace(shelf, 0).is_of(position, sensor)
            ]
            searched = [(shelf, shelf.taken()) for shelf in every]
        else:
            chosen: dict[_Shelf, list[int]] = defaultdict(list)
            for place in among:
                if place.is_of(position, sensor):
                    chosen[place.shelf].append(place.number)
            searched = list(chosen.items())
        owners = [shelf.owners[number] for shelf, numbers in searched for number in numbers]
        if len(owners) <= LEAST_KEPT:
            return owners
        likeness = np.concatenate([shelf.likeness(probe, numbers) for shelf, numbers in searched])
        return [owners[best] for best in np.argsort(-likeness, kind="stable")[:LEAST_KEPT]]


class _Shelf:
    """Fingers of one position, reader and number of codes, in blocks of `CHUNK`.

    Shape of a block: (CODE_WORDS, CHUNK, rows): the long rows of words of one place that a comparison wants.
    A place that is free again has no owner and is the next to be taken.
    """

    def __init__(self, position: FingerPosition, sensor: str, rows: int) -> None:
        self.position = position
        self.sensor = sensor
        self.owners: list[bytes] = []
        self.sealed: list[bytes] = []
        self._rows = rows
        self._blocks: list[Codes] = []
        self._free: list[int] = []

    def add(self, entry_id: bytes, finger: ProtectedFinger) -> int:
        """Take a finger in; returns its place."""
        if self._free:
            number = self._free.pop()
            self.owners[number], self.sealed[number] = entry_id, finger.sealed
        else:
            number = len(self.owners)
            self.owners.append(entry_id)
            self.sealed.append(finger.sealed)
            if number % CHUNK == 0:
                self._blocks.append(np.zeros((CODE_WORDS, CHUNK, self._rows), np.uint64))
        self.codes(number)[...] = finger.codes[: self._rows].T
        return number

    def remove(self, number: int) -> None:
        """Free a place, and overwrite the codes in it."""
        self.codes(number)[...] = 0
        self.owners[number] = self.sealed[number] = b""
        self._free.append(number)

    def taken(self) -> list[int]:
        """Return the places that hold a finger."""
        return [number for number, owner in enumerate(self.owners) if owner]

    def likeness(self, probe: Codes, numbers: Sequence[int]) -> Floats:
        """Return how alike the fingers in these places are to the probe."""
        found = [np.zeros(0, np.float32)]
        for start in range(0, len(numbers), CHUNK):
            chunk = numbers[start : start + CHUNK]
            block, first = divmod(chunk[0], CHUNK)
            if len(chunk) == CHUNK and first == 0 and chunk[-1] == chunk[0] + CHUNK - 1:
                words = self._blocks[block].reshape(CODE_WORDS, -1)  # as it lies: nothing is copied
            else:
                words = np.concatenate([self.codes(number) for number in chunk], axis=1)
            found.append(alike(probe, words, np.arange(len(chunk)) * self._rows))
        return np.concatenate(found)

    def codes(self, number: int) -> Codes:
        """Return the codes in a place, as they lie here: shape (CODE_WORDS, rows)."""
        return self._blocks[number // CHUNK][:, number % CHUNK]
