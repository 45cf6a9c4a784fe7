"""Who is silent beyond what is usual: a device, a whole site, or most of the fleet at once. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from aggregator.fleet.alerts import AlertKind, Finding, Seen, Severity
from aggregator.fleet.health import is_silent

HOUR_S = 3600.0
LONG_KNOWN_S = 48 * HOUR_S
WIDE_DEVICES, WIDE_SITES = 10, 3
"""Where most of the fleet falls silent at once, the fault is nearer to the aggregator than to any site."""


def silence(devices: Sequence[Seen]) -> Iterator[Finding]:
    """Yield a finding for each device that is silent, one for a whole site, or one for most of the fleet."""
    silent = {each.device_id for each in devices if _is_silent(each)}
    sites: defaultdict[str, list[Seen]] = defaultdict(list)
    for device in devices:
        sites[device.site].append(device)
    heard = sum(device.connected for device in devices)
    quiet_sites = {device.site for device in devices if device.device_id in silent}
    if (
        len(silent) >= WIDE_DEVICES
        and len(quiet_sites) >= WIDE_SITES
        and len(silent) > heard
        and not _long_known(devices, silent)
    ):
        yield Finding(
            AlertKind.SITE_SILENT, Severity.URGENT, "", "",
            f"{len(silent)} devices of {len(quiet_sites)} sites are silent: look at this aggregator's own "
            "network and name first.",
        )  # fmt: skip
        return
    for site, there in sites.items():
        mute = [device for device in there if device.device_id in silent]
        if len(mute) > 1 and not any(device.connected for device in there) and 2 * len(mute) >= len(there):
            yield Finding(
                AlertKind.SITE_SILENT, Severity.URGENT, "", site,
                f"All of {site} is silent, {len(there)} devices: its link or its power is gone; call the "
                "site. They go on serving without it.",
            )  # fmt: skip
        else:
            for device in mute:
                yield Finding(
                    AlertKind.DEVICE_SILENT, Severity.WARNING, device.device_id, site,
                    f"{device.device_id} was last heard of {_span(device.silent_s)} ago, and usually is by "
                    "now: call the site.",
                )  # fmt: skip


def _long_known(devices: Iterable[Seen], silent: set[str]) -> bool:
    """Tell whether most of the silent have been so for days: then each is its own trouble."""
    old = sum(device.device_id in silent and device.silent_s > LONG_KNOWN_S for device in devices)
    return 2 * old > len(silent)


def _is_silent(device: Seen) -> bool:
    if device.connected:
        return False
    if device.silent is not None:
        return device.silent.too_much
    return is_silent(False, device.silent_s, device.usual_silence_s)


def _span(seconds: float) -> str:
    hours = round(seconds / HOUR_S)
    return f"{max(1, hours)} h" if hours < 48 else f"{hours // 24} days"
