"""The port through which the software itself is replaced, and what stands there without an image."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from trust.state import Artifact


class UpdateFailed(Exception):
    """The software could not be replaced; the message says what to do."""


class Updater(Protocol):
    """Writes a signed bundle beside the software in use; the machine starts from it when it starts anew."""

    def refusal(self, artifact: Artifact) -> str | None:
        """Return why this bundle cannot be installed here at all, None where it can."""

    async def install(self, artifact: Artifact, bundle: Path) -> None:
        """Check the bundle's signature and write it. Raises UpdateFailed."""

    def holds(self, artifact: Artifact) -> bool:
        """Whether the whole bundle was written, so that the machine starts from it."""

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

    async def install(self, artifact: Artifact, bundle: Path) -> None:
        """Raise UpdateFailed."""
        raise UpdateFailed(self.refusal(artifact))

    def holds(self, artifact: Artifact) -> bool:
        """Nothing was ever written here."""
        return False

    async def keep(self) -> None:
        """There is nothing to keep."""

    async def take_back(self) -> None:
        """There is nothing to take back."""
