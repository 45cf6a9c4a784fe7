"""Which ports the packet filter lets in: those that the appliance's own file names, and no others."""

from __future__ import annotations

import tomllib
from pathlib import Path

from trust.tls.address import Address, AddressRefused

_DEFAULTS = {"page": {}, "site": {"listen": "0.0.0.0:7443"}}  # as firmware/config.py has them
_SET = "inet aidpost appliance_ports"


def ports_of(config: Path) -> tuple[int, ...]:
    """Return the TCP ports on which others reach the appliance; none where there is no file yet.

    A file that cannot be read opens nothing: the appliance itself says what is wrong with it.
    """
    try:
        tables = tomllib.loads(config.read_text())
    except (OSError, ValueError):
        return ()
    found = set()
    for table, key in (("page", "tablet"), ("site", "listen")):
        part = tables.get(table)
        if not isinstance(part, dict):
            continue
        try:
            address = Address.parse(str(part.get(key, _DEFAULTS[table].get(key))))
        except AddressRefused:
            continue
        if not address.is_loopback and address.port:
            found.add(address.port)
    return tuple(sorted(found))


def filter_commands(ports: tuple[int, ...]) -> str:
    """Return what to tell `nft` so that these are open, in one transaction."""
    lines = [f"flush set {_SET}"]
    if ports:
        lines.append(f"add element {_SET} {{ {', '.join(map(str, ports))} }}")
    return "\n".join(lines) + "\n"
