"""What `aidpost doctor` says of the other appliances of the site."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from firmware.commands.finding import Finding
from firmware.config import Config, Site
from firmware.mesh.book import SiteCycle
from firmware.mesh.examining import PeerFinding, examine_peers
from firmware.opening import site_settings
from firmware.uplink.errors import UplinkError
from firmware.uplink.identity_file import read_identity
from trust import certificates
from trust.keys.errors import GuardError
from trust.keys.guard import KeyGuard
from trust.names import DeviceName

_RENEW = (
    "its certificate was issued before appliances could hear each other, so none of the site can reach this "
    "one: run `aidpost join` and have it approved, or wait for its renewal after two thirds of its life"
)


def examine_site(config: Config, guard: KeyGuard, cycle: SiteCycle | None) -> Iterator[Finding]:
    """Look at this appliance's certificate and roster, then ask each of the others; changes nothing.

    cycle: the list that is loaded here, None without one.
    """
    site, device = config.site, config.device
    if site is None:
        return
    named = DeviceName(device.id, device.site)
    try:
        identity = read_identity(device.data)
        if identity is None or identity.named != named:
            advice = "no certificate of its name and site, so it stands alone: run `aidpost join`"
            yield Finding("site", "", "", False, advice)
            return
        settings = site_settings(site)
        yield _here(config.device.id, site, cycle, serves=certificates.may_serve(identity.certificate, named))
        found = asyncio.run(examine_peers(settings.peers, named, guard, device.data, cycle))
    except (UplinkError, GuardError) as error:
        yield Finding("site", "", "", False, str(error))
        return
    yield from (_peer(one) for one in found)


def _here(device_id: str, site: Site, cycle: SiteCycle | None, *, serves: bool) -> Finding:
    advice = [] if serves else [_RENEW]
    if cycle is not None:
        if device_id not in cycle.roster:
            advice.append("this appliance is not on the roster of the list: load one that names it")
        without = sorted(set(cycle.roster) - {device_id, *site.peers})
        if without:
            advice.append(f"no address for {', '.join(without)} of the list's roster: add it to [site.peers]")
    roster = "no list is loaded" if cycle is None else f"{len(cycle.roster)} appliances on the roster"
    return Finding("site", f"heard at {site.listen}, {roster}", "", not advice, "; ".join(advice))


def _peer(found: PeerFinding) -> Finding:
    part = f"site {found.device}"
    if not found.reached:
        silent = (
            f"{found.trouble}: switch it on, see its cable and [site.peers]; what it owns is handed out "
            "inside the loss cap meanwhile"
        )
        return Finding(part, f"{found.target}, no connection", "", False, silent)
    match found.same_list:
        case True:
            return Finding(part, f"{found.target}, serves the same list", "", True)
        case False:
            why = found.trouble or "no answer"
            other = f"it refuses ({why}): load the same list, with the same roster, at both"
            return Finding(part, f"{found.target}, serves another list or none", "", False, other)
        case None:
            return Finding(part, f"{found.target} answers", "", True)
