"""The bundle: a zip of JSON that says how an appliance is, and nothing of anybody whom it served.

What goes in is named here, file by file; nothing is collected by looking around. Paths of the configuration,
staff, lists, records and galleries stay where they are.
"""

from __future__ import annotations

import io
import platform
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from firmware.config import Config

MAX_LOG_BYTES = 4 << 20  # packed a twentieth of it
PACKAGES = (
    "aidpost", "ai-edge-litert", "tflite-runtime", "numpy", "opencv-python-headless", "grpcio",
    "cryptography", "sqlcipher3", "adafruit-circuitpython-fingerprint", "gpiozero", "gpiod", "picamera2",
)  # fmt: skip
TABLES = ("session", "attack", "policy", "inference", "lease")
"""Tables of the configuration that are told whole; of the others it is told that they are there."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found.

    parts: by name, the class of its fault or "well". counts, lanes: of the store. notices: the parts of which
    staff are told something.
    models: their digests by name. system: of the machine.
    """

    parts: Mapping[str, str]
    counts: Mapping[str, int]
    lanes: Mapping[str, int]
    notices: tuple[str, ...]
    operating_point: str
    models: Mapping[str, str]
    uplink: str
    system: Mapping[str, int | str]


def make_bundle(config: Config, findings: Findings, log: Sequence[str]) -> bytes:
    """Return the zip; log: lines of JSON, oldest first, of which the newest `MAX_LOG_BYTES` are taken."""
    files: dict[str, bytes] = {
        "about.json": _json(
            {
                "device": config.device.id,
                "site": config.device.site,
                "holds": "versions, settings, parts, counts, log; nothing of anybody who was served",
            }
        ),
        "versions.json": _json({"python": platform.python_version(), **_packages()}),
        "settings.json": _json(_settings(config)),
        "findings.json": _json(findings),
        "log.jsonl": _newest(log),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bundle:
        for name, content in files.items():
            bundle.writestr(name, content)
    return packed.getvalue()


def _settings(config: Config) -> dict[str, Any]:
    told: dict[str, Any] = {table: getattr(config, table) for table in TABLES}
    for table in config.__struct_fields__:
        if table not in TABLES:
            told[table] = "set" if getattr(config, table) is not None else "not set"
    told["inference"] = {"runtime": config.inference.runtime, "threads": config.inference.threads}
    return told


def _packages() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _newest(lines: Sequence[str]) -> bytes:
    taken: list[bytes] = []
    left = MAX_LOG_BYTES
    for line in reversed(lines):
        data = line.encode() + b"\n"
        if len(data) > left:
            break
        left -= len(data)
        taken.append(data)
    return b"".join(reversed(taken))


def _json(content: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content)) + b"\n"
