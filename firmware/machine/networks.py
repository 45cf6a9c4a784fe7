"""From the networks that a site has to the files of the programs that connect to them.

networkd reads units (systemd.netdev(5), systemd.network(5)), wpa_supplicant its own file
(wpa_supplicant.conf(5)), and `mmcli` of ModemManager a list of words.
"""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from trust.network import NETWORK_FILE, Cellular, Network, Wifi, Wireguard

TUNNEL = "aidpost0"
WIFI_FILE = "aidpost/wifi.conf"
CELLULAR_FILE = "aidpost/cellular"
TUNNEL_FILE = f"systemd/network/70-{TUNNEL}.netdev"
ADDRESSES_FILE = f"systemd/network/70-{TUNNEL}.network"
"""Below the folder of volatile files, /run."""
MODEM_PROGRAM = Path("/usr/bin/mmcli")
_READ_BY_NETWORKD = (TUNNEL_FILE, ADDRESSES_FILE)
_NETWORKD = "systemd-network"  # its group
_KEY_MANAGEMENT = {
    "any": "WPA-PSK WPA-PSK-SHA256 SAE",
    "wpa3": "SAE",
    "wpa2": "WPA-PSK WPA-PSK-SHA256",
    "open": "NONE",
}
_PROTECTED_FRAMES = {"any": 1, "wpa3": 2, "wpa2": 1, "open": 0}  # IEEE 802.11w: 1 where both can, 2 always
# Left out, WPA of 2003 and TKIP are taken too. What a network sends to all may be TKIP: where it serves old
# devices beside, all hear the same.
_SINCE_WPA2 = ("proto=RSN", "pairwise=CCMP")


class NetworksRefused(ValueError):
    """What was written down of the networks cannot be used; the message says why."""


def read_networks(folder: Path) -> Network:
    """Return what the first boot wrote down, nothing where it wrote no file. Raises NetworksRefused."""
    path = folder / NETWORK_FILE
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), Network)
    except FileNotFoundError:
        return Network()
    except (OSError, ValueError) as error:
        raise NetworksRefused(f"{path} cannot be used: {error}") from error


def files_of(network: Network) -> dict[str, str | None]:
    """Return each file's text by its path, None for one that is not to be there. Raises NetworksRefused."""
    wifi, cellular, tunnel = network.wifi, network.cellular, network.wireguard
    return {
        WIFI_FILE: None if wifi is None else _wifi(wifi, network.country),
        CELLULAR_FILE: None if cellular is None else _cellular(cellular),
        TUNNEL_FILE: None if tunnel is None else _tunnel(tunnel),
        ADDRESSES_FILE: None if tunnel is None else _addresses(tunnel),
    }


def unmet(network: Network, modem_program: Path = MODEM_PROGRAM) -> str:
    """Return what this image lacks for them, and what to do about it; nothing where it lacks nothing."""
    if network.cellular is None or modem_program.exists():
        return ""
    return (
        "no mobile network: this image has no ModemManager. A modem that is a network card by itself needs "
        "no [network.cellular]; for any other build the image with it (docs/image.md)"
    )


def write_files(run: Path, files: Mapping[str, str | None]) -> tuple[str, ...]:
    """Make the files below `run` what they are to be; returns those that changed. Raises OSError."""
    changed = []
    for name, text in files.items():
        path = run / name
        if text == (path.read_text() if path.exists() else None):
            continue
        changed.append(name)
        if text is None:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(text)
        if name in _READ_BY_NETWORKD and os.geteuid() == 0:
            shutil.chown(path, group=_NETWORKD)
            path.chmod(0o640)
    return tuple(changed)


def _wifi(wifi: Wifi, country: str | None) -> str:
    lines = [
        "ctrl_interface=/run/wpa_supplicant",
        *([f"country={country}"] if country else []),
        "network={",
        f"ssid={wifi.name.encode().hex()}",  # as bytes: no name needs to be escaped
        f"key_mgmt={_KEY_MANAGEMENT[wifi.security]}",
        f"ieee80211w={_PROTECTED_FRAMES[wifi.security]}",
        f"scan_ssid={int(wifi.hidden)}",
        *(_SINCE_WPA2 if wifi.passphrase else []),
        # Up to the last quotation mark of the line, so that a passphrase may hold some.
        *([f'psk="{wifi.passphrase}"'] if wifi.passphrase else []),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _cellular(cellular: Cellular) -> str:
    words = {
        "apn": cellular.apn,
        "user": cellular.user,
        "password": cellular.password,
        "pin": cellular.pin,
    }
    return ",".join(f"{name}={_quoted(word)}" for name, word in words.items() if word) + "\n"


def _quoted(word: str) -> str:
    for mark in "'\"":
        if mark not in word:
            return f"{mark}{word}{mark}"
    raise NetworksRefused("user and password of an APN cannot have both kinds of quotation marks")


def _tunnel(tunnel: Wireguard) -> str:
    lines = [
        "[NetDev]",
        f"Name={TUNNEL}",
        "Kind=wireguard",
        "",
        "[WireGuard]",
        f"PrivateKey={tunnel.private_key}",
        "",
        "[WireGuardPeer]",
        f"PublicKey={tunnel.peer_key}",
        *([f"PresharedKey={tunnel.shared_key}"] if tunnel.shared_key else []),
        f"Endpoint={tunnel.endpoint}",
        f"AllowedIPs={','.join(tunnel.allowed)}",
        f"PersistentKeepalive={tunnel.keepalive_s}",
    ]
    return "\n".join(lines) + "\n"


def _addresses(tunnel: Wireguard) -> str:
    lines = [
        "[Match]",
        f"Name={TUNNEL}",
        "",
        "[Link]",
        "RequiredForOnline=no",
        "",
        "[Network]",
        *(f"Address={address}" for address in tunnel.address),
        *(f"\n[Route]\nDestination={network}" for network in tunnel.allowed),
    ]
    return "\n".join(lines) + "\n"
