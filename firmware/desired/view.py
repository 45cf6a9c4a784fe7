"""A copy of how it stands with the desired state, in the clear, for `aidpost config show`.

It can be read beside a running appliance: the store has the truth, and is open to one process alone. No
setting that can be desired is a secret.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import structlog

from firmware.config import Config, ConfigError
from firmware.desired.judging import built
from firmware.desired.settings import SettingsRefused
from firmware.desired.shelf import Shelf
from firmware.desired.terms import Phase, Standing

_NAME = "desired.json"
_DOING = {
    Phase.FETCHING: "its files are being fetched",
    Phase.AWAITING_QUIET: "it waits until nobody is served and its window is open",
    Phase.APPLYING: "it is taken up with the next start",
    Phase.SELF_TESTING: "it is being tried",
}
log = structlog.get_logger()


def write(data: Path, standing: Standing) -> None:
    """Write it into the appliance's folder; a full disk is logged, since nothing rests on this copy."""
    fresh = data / f"{_NAME}.new"
    try:
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(standing)))
        fresh.replace(data / _NAME)
    except OSError as error:
        log.warning("desired state not shown", reason=error.strerror)


def over(base: Config) -> tuple[Standing, Config]:
    """Return how it stands, and the configuration that is in use over the appliance's own file.

    Raises ConfigError.
    """
    try:
        standing = read(base.device.data)
    except (OSError, ValueError) as error:
        raise ConfigError(f"what the desk desired of this appliance cannot be read: {error}") from error
    try:
        return standing, built(base, standing.in_use, Shelf(base.device.data))
    except SettingsRefused as error:
        raise ConfigError(f"what the desk desired does not fit the file any more: {error}") from error


def read(data: Path) -> Standing:
    """Return it, as it is before the first where there is none. Raises OSError, ValueError."""
    try:
        content = (data / _NAME).read_bytes()
    except FileNotFoundError:
        return Standing()
    return msgspec.json.decode(content, type=Standing)


def sentences(standing: Standing) -> list[str]:
    """Say what became of the newest desired state; nothing before the first."""
    if standing.under_way is not None:
        way = standing.under_way
        return [f"Desired state {way.desired.generation}: {_DOING[way.phase]}."]
    if standing.decision is None:
        return []
    decision = standing.decision
    return [f"Desired state {decision.generation}: {decision.result.value}."] + [
        f"{refusal.field}: {refusal.reason}" for refusal in decision.refusals
    ]
