"""From a claim to the appliance's own file."""

from __future__ import annotations

from pathlib import Path

from trust.claim_file import ClaimFile
from trust.toml_text import Tables, merged

TABLETS = "0.0.0.0:8443"


def tables_of(claim: ClaimFile, base: Tables, data: Path) -> Tables:
    """Return the tables of the configuration. base: of the machine, below what the claim says."""
    device, hardware = claim.device, claim.hardware
    tables: Tables = {
        "device": {
            "id": device.id,
            "site": device.site,
            "purpose": device.purpose.value,
            "data": str(data),
        },
        "keys": {"guard": claim.keys.guard.value, "on_tamper": claim.keys.on_tamper},
        "uplink": {"target": claim.aggregator.target},
    }
    unfitted = set()
    if hardware.fingerprint == "none":
        unfitted.add("fingerprint")
    else:
        tables["fingerprint"] = {"model": hardware.fingerprint, "port": hardware.port}
    if hardware.camera == "none":
        unfitted.add("camera")
    else:
        tables["camera"] = {"driver": hardware.camera, "device": hardware.camera_device}
    if hardware.board == "none":
        unfitted.add("board")
    else:
        tables["board"] = {"driver": hardware.board}
    if not (hardware.screen or hardware.tablets):
        unfitted.add("page")
    else:
        tables["page"] = {"languages": list(device.languages)}
        if hardware.tablets:
            tables["page"]["tablet"] = TABLETS
    known = {name: table for name, table in base.items() if name not in unfitted}
    return merged(known, tables)
