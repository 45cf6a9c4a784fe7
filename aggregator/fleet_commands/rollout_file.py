"""A rollout as a person writes it, in TOML: what changes, for whom, in which steps, and when it stops."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from aggregator.fleet.rollout import Thresholds
from aggregator.fleet_commands.desires import find_artifact
from aidpost.client import FleetClient
from aidpost.v1 import rollout_pb2, state_pb2
from trust.signed_file import plain

_EXAMPLE = "docs/fleet-commands.md has an example"
_SPAN = re.compile(r"(\d{1,6})(min|h|d)")
_UNITS = {"min": "minutes", "h": "hours", "d": "days"}


class RolloutFileRefused(Exception):
    """The file is no rollout; the message says where."""


class _Ring(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    percent: int = 100
    filter: str = ""
    soak: str = "0min"


class _Thresholds(Thresholds, frozen=True, forbid_unknown_fields=True):
    """What the file leaves out is as where nobody says otherwise."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    filter: str
    rings: list[_Ring]
    title: str = ""
    settings: dict[str, Any] = {}
    artifacts: list[str] = []
    thresholds: _Thresholds = _Thresholds()


def read_rollout(file: Path, client: FleetClient) -> rollout_pb2.Rollout:
    """Return the rollout of a file; its files are found by their digests' beginnings.

    Raises RolloutFileRefused, OSError, FleetError and ClickException.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError too
        raise RolloutFileRefused(f"no rollout, which is TOML text in UTF-8 ({error}); {_EXAMPLE}") from error
    try:
        read = msgspec.convert(content, _File)
    except ValueError as error:  # msgspec.ValidationError
        raise RolloutFileRefused(f"{plain(error)}; {_EXAMPLE}") from error
    return rollout_pb2.Rollout(
        name=read.name,
        title=read.title,
        filter=read.filter,
        settings=[
            state_pb2.Setting(name=name, value=json.dumps(value))
            for name, value in sorted(_flat(read.settings).items())
        ],
        artifacts=[find_artifact(client, digest) for digest in read.artifacts],
        rings=[_ring(ring) for ring in read.rings],
        thresholds=rollout_pb2.Thresholds(**msgspec.structs.asdict(read.thresholds)),
    )


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return settings by their whole names: [settings.session] tries = 3 is session.tries."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _ring(ring: _Ring) -> rollout_pb2.Ring:
    if (span := _SPAN.fullmatch(ring.soak)) is None:
        raise RolloutFileRefused(f"ring {ring.name}: soak is {ring.soak!r}: write it as 30min, 24h or 7d")
    message = rollout_pb2.Ring(name=ring.name, filter=ring.filter, percent=ring.percent)
    message.soak.FromTimedelta(timedelta(**{_UNITS[span[2]]: int(span[1])}))
    return message
