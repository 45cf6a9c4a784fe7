"""Whether the first boot is over, for the services of root too, which import no more than they need."""

from __future__ import annotations

from pathlib import Path

MARK = "first-boot"
"""What is in the data folder only while the first boot goes on."""


def is_over(config: Path, data: Path) -> bool:
    """Tell whether there is nothing to do: a configuration, and no first boot that was begun."""
    return config.exists() and not (data / MARK).exists()
