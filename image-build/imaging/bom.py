"""The bill of materials: every package and wheel of the image with version and licences, as CycloneDX 1.6."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from urllib.parse import quote

import msgspec

# Of Debian's machine-readable copyright files (https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/).
LICENCE = re.compile(r"^License: *(\S.*)$", re.MULTILINE)
# Older ones are prose that names the texts they mean.
NAMED = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9+])")


class Component(msgspec.Struct, frozen=True, omit_defaults=True):
    """A package: where it is from says its address (https://github.com/package-url/purl-spec)."""

    name: str
    version: str
    purl: str
    licences: tuple[str, ...] = ()


def packages(versions: Mapping[str, str], suite: str, root: Path) -> list[Component]:
    """Return Debian's packages with the licences that their copyright files name."""
    found = []
    for name, version in sorted(versions.items()):
        purl = f"pkg:deb/debian/{quote(name)}@{quote(version, safe='')}?arch=arm64&distro={suite}"
        copyright_file = root / "usr/share/doc" / name / "copyright"
        text = copyright_file.read_text(errors="replace") if copyright_file.is_file() else ""
        licences = {line.strip() for line in LICENCE.findall(text) or NAMED.findall(text)}
        found.append(Component(name, version, purl, tuple(sorted(licences))))
    return found


def wheels(site_packages: Path) -> list[Component]:
    """Return the wheels with the licences of their metadata."""
    found = []
    for info in sorted(site_packages.glob("*.dist-info")):
        said = HeaderParser().parsestr((info / "METADATA").read_text(errors="replace"))
        name, version = str(said["Name"]), str(said["Version"])
        found.append(
            Component(
                name,
                version,
                f"pkg:pypi/{quote(name.lower().replace('_', '-'))}@{quote(version)}",
                _licences(said),
            )
        )
    return found


def _licences(metadata: Message) -> tuple[str, ...]:
    """Return what a wheel says of its licence, the newest way first."""
    if expression := metadata.get("License-Expression"):
        return (expression,)
    classified = [
        value.rsplit(" :: ", 1)[-1]
        for name, value in metadata.items()
        if name == "Classifier" and value.startswith("License :: ")
    ]
    if classified:
        return tuple(sorted(classified))
    first = (metadata.get("License") or "").strip().splitlines()[:1]
    return tuple(first)


def write(version: str, epoch: int, components: Iterable[Component]) -> bytes:
    """Return the bill as JSON: the same components give the same bytes."""
    listed = [_as_cyclonedx(one) for one in components]
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_DNS, f'{version}.{epoch}.image.aidpost')}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "operating-system",
                "bom-ref": "image",
                "name": "aidpost",
                "version": version,
            },
        },
        "components": listed,
    }
    return msgspec.json.format(msgspec.json.encode(bill), indent=1) + b"\n"


def _as_cyclonedx(one: Component) -> dict[str, object]:
    said: dict[str, object] = {
        "type": "library",
        "bom-ref": one.purl,
        "name": one.name,
        "version": one.version,
        "purl": one.purl,
    }
    if one.licences:
        said["licenses"] = [{"license": {"name": name}} for name in one.licences]
    return said
