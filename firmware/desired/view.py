"""A copy of how it stands with the desired state, in the clear, for `aidpost config show`.

It can be read beside a running appliance: the store has the truth, and is open to one process alone. No
setting that can be desired is a secret.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import structlog

from firmware.desired.terms import Standing

_NAME = "desired.json"
log = structlog.get_logger()


def write(data: Path, standing: Standing) -> None:
    """Write it into the appliance's folder; a full disk is logged, since nothing rests on this copy."""
    fresh = data / f"{_NAME}.new"
    try:
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(standing)))
        fresh.replace(data / _NAME)
    except OSError as error:
        log.warning("desired state not shown", reason=error.strerror)


def read(data: Path) -> Standing:
    """Return it, as it is before the first where there is none. Raises OSError, ValueError."""
    try:
        content = (data / _NAME).read_bytes()
    except FileNotFoundError:
        return Standing()
    return msgspec.json.decode(content, type=Standing)
