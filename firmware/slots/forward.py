"""RAUC's pre-install handler `/usr/lib/rauc/aidpost-forward`: a signed bundle that is older is not written.

It was signed too, and has faults that are known by now. The system refuses it, so it holds for whoever asks
RAUC, and for a bundle that was changed between being looked at and being written.
"""

from __future__ import annotations

import configparser
import os
import sys
from pathlib import Path

from packaging.version import InvalidVersion, Version

IMAGE_VERSION = Path("/usr/lib/aidpost/version")


def newer(version: str, running: str) -> bool:
    """Whether a version comes after the one that runs; False for what is no version."""
    try:
        return Version(version) > Version(running)
    except InvalidVersion:
        return False


def refusal(manifest: str, running: str) -> str | None:
    """Return why a bundle with this manifest is not to be written, None where it may be."""
    read = configparser.ConfigParser(interpolation=None)
    try:
        read.read_string(manifest)
        version = read["update"]["version"]
    except (configparser.Error, KeyError):
        return "the bundle says no version"
    return None if newer(version, running) else f"{running} runs here, and {version} is not newer"


def main(running: Path = IMAGE_VERSION) -> None:
    """Judge the bundle that RAUC has mounted. running: the file with the version that runs."""
    try:
        manifest = (Path(os.environ["RAUC_UPDATE_SOURCE"]) / "manifest.raucm").read_text()
        reason = refusal(manifest, running.read_text("ascii").strip())
    except (KeyError, OSError, ValueError) as fault:
        sys.exit(f"aidpost-forward: {fault}")
    if reason is not None:
        sys.exit(f"aidpost-forward: {reason}")
