"""The port through which the software itself is replaced, and what stands there without an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from trust.state import Artifact


class UpdateFailed(Exception):
    """The software could not be replaced; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The software that runs has not passed yet. well: the parts that were well before, None if not known."""

    well: tuple[str, ...] | None


class Source(Protocol):
    """A bundle that can be read anywhere, wherever it lies."""

    @property
    def size_bytes(self) -> int:
        """How large it is."""

    async def read(self, offset: int, count: int) -> bytes:
        """Return so many bytes, however long that takes. Raises UpdateFailed where there are none."""


class Updater(Protocol):
    """Writes a signed bundle beside the software in use, and has the machine start from it on trial."""

    def refusal(self, artifact: Artifact) -> str | None:
        """Return why this bundle cannot be installed here at all, None where it can."""

    async def stage(self, artifact: Artifact, source: Source) -> None:
        """Check the bundle's signature and write it whole; nothing starts from it. Raises UpdateFailed.

        What is there already is not read again.
        """

    async def activate(self, artifact: Artifact, well: Sequence[str]) -> None:
        """Have the machine start from what was staged, on trial. Raises UpdateFailed.

        well: the parts that are well now, which have to be well with it, too.
        """

    def holds(self, artifact: Artifact) -> bool:
        """Whether the machine was to start from this bundle."""

    def was_damaged(self) -> bool:
        """Whether older software runs because the newer one on the card is damaged."""

    def trial(self) -> Trial | None:
        """Return what is on trial, None where what runs has passed."""

    @property
    def leaving(self) -> bool:
        """Whether what runs was taken back: the machine is about to start with what was before."""

    async def keep(self) -> None:
        """The self-test passed: start from it from now on. Raises UpdateFailed."""

    async def take_back(self) -> None:
        """Start from what was there before. Raises UpdateFailed."""


class NotFromImage:
    """An appliance whose software was installed by hand, as with pip: nothing here can replace it whole."""

    def refusal(self, artifact: Artifact) -> str:
        """Return what to do instead."""
        return (
            f"this appliance was not installed from an image, so it cannot replace its software by itself: "
            f"install {artifact.version} as it was installed before"
        )

    async def stage(self, artifact: Artifact, source: Source) -> None:
        """Raise UpdateFailed."""
        raise UpdateFailed(self.refusal(artifact))

    async def activate(self, artifact: Artifact, well: Sequence[str]) -> None:
        """Raise UpdateFailed."""
        raise UpdateFailed(self.refusal(artifact))

    def holds(self, artifact: Artifact) -> bool:
        """Nothing was ever written here."""
        return False

    def was_damaged(self) -> bool:
        """There is no other software."""
        return False

    def trial(self) -> None:
        """Nothing is ever on trial."""

    @property
    def leaving(self) -> bool:
        """Nothing is ever left."""
        return False

    async def keep(self) -> None:
        """There is nothing to keep."""

    async def take_back(self) -> None:
        """There is nothing to take back."""
