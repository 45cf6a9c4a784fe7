"""What the first boot wrote down of networks becomes the files of the programs that connect, and no more."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from firmware.machine.networks import (
    ADDRESSES_FILE,
    CELLULAR_FILE,
    TUNNEL_FILE,
    WIFI_FILE,
    NetworksRefused,
    files_of,
    read_networks,
    unmet,
    write_files,
)
from firmware.machine.ports import filter_commands, ports_of
from trust.network import NETWORK_FILE, Cellular, Network, Wifi, Wireguard

KEY = "A" * 43 + "="
TUNNEL = Wireguard(
    private_key=KEY,
    address=("10.9.0.2/32", "fd00::2/128"),
    peer_key="B" * 43 + "=",
    endpoint="vpn.example:51820",
    allowed=("10.9.0.0/24",),
)


def of(network: Network, name: str) -> str:
    text = files_of(network)[name]
    assert text is not None
    return text


def test_a_wifi_is_joined_as_its_site_says() -> None:
    name = 'Clinic "2"'
    wifi = Wifi(name=name, passphrase='tin"roof#8', hidden=True)
    text = of(Network(country="KE", wifi=wifi), WIFI_FILE)
    lines = text.splitlines()
    assert "country=KE" in lines
    assert f"ssid={name.encode().hex()}" in lines
    assert 'psk="tin"roof#8"' in lines
    assert "key_mgmt=WPA-PSK WPA-PSK-SHA256 SAE" in lines
    assert "scan_ssid=1" in lines


@pytest.mark.parametrize(
    ("security", "management", "frames"),
    [
        ("any", "WPA-PSK WPA-PSK-SHA256 SAE", 1),
        ("wpa3", "SAE", 2),
        ("wpa2", "WPA-PSK WPA-PSK-SHA256", 1),
    ],
)
def test_a_wifi_is_no_weaker_than_was_asked_for(security: str, management: str, frames: int) -> None:
    wifi = Wifi(name="clinic", passphrase="long enough", security=security)  # type: ignore[arg-type]
    lines = of(Network(wifi=wifi), WIFI_FILE).splitlines()
    assert f"key_mgmt={management}" in lines
    assert f"ieee80211w={frames}" in lines
    assert {"proto=RSN", "pairwise=CCMP"} <= set(lines)  # wpa_supplicant's own are "WPA RSN", "CCMP TKIP"


def test_an_open_wifi_has_no_key() -> None:
    text = of(Network(wifi=Wifi(name="guests", security="open")), WIFI_FILE)
    assert "key_mgmt=NONE" in text
    assert "psk" not in text
    assert "proto" not in text


def test_a_tunnel_is_a_device_with_one_peer_and_its_routes() -> None:
    device, network = ConfigParser(), ConfigParser(strict=False)
    for parser in (device, network):
        parser.optionxform = str  # type: ignore[assignment, method-assign]
    device.read_string(of(Network(wireguard=TUNNEL), TUNNEL_FILE))
    network.read_string(of(Network(wireguard=TUNNEL), ADDRESSES_FILE))
    assert device["NetDev"]["Kind"] == "wireguard"
    assert device["WireGuard"]["PrivateKey"] == KEY
    assert dict(device["WireGuardPeer"]) == {
        "PublicKey": TUNNEL.peer_key,
        "Endpoint": "vpn.example:51820",
        "AllowedIPs": "10.9.0.0/24",
        "PersistentKeepalive": "25",
    }
    assert network["Match"]["Name"] == device["NetDev"]["Name"]
    assert network["Route"]["Destination"] == "10.9.0.0/24"


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": ("fe80::1%a\nGateway=10.9.0.1",)},
        {"allowed": ("fe80::%a\nGateway=10.9.0.1",)},
        {"endpoint": "[fe80::1%a\nPublicKey=]:51820"},
    ],
)
def test_no_address_of_a_tunnel_brings_a_line_of_its_own(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"scope|host:port"):
        msgspec.structs.replace(TUNNEL, **wrong)


def test_a_modem_is_told_what_the_provider_said() -> None:
    modem = Cellular(apn="internet.example", user="me", password="it's, that", pin="1234")
    assert of(Network(cellular=modem), CELLULAR_FILE) == (
        "apn='internet.example',user='me',password=\"it's, that\",pin='1234'\n"
    )
    with pytest.raises(NetworksRefused, match="quotation"):
        files_of(Network(cellular=Cellular(apn="internet", password="'\"")))


def test_a_mobile_network_without_modem_manager_is_no_silence(tmp_path: Path) -> None:
    by_modem = Network(cellular=Cellular(apn="internet"))
    program = tmp_path / "mmcli"
    assert "build the image with it" in unmet(by_modem, program)
    assert unmet(Network(wifi=Wifi(name="clinic", passphrase="long enough")), program) == ""
    program.touch()
    assert unmet(by_modem, program) == ""


def test_files_are_written_once_for_nobody_else_and_taken_away_again(tmp_path: Path) -> None:
    wifi = files_of(Network(wifi=Wifi(name="clinic", passphrase="long enough")))
    assert write_files(tmp_path, wifi) == (WIFI_FILE,)
    assert (tmp_path / WIFI_FILE).stat().st_mode & 0o777 == 0o600
    assert write_files(tmp_path, wifi) == ()
    assert write_files(tmp_path, files_of(Network())) == (WIFI_FILE,)
    assert not (tmp_path / WIFI_FILE).exists()


def test_what_was_written_down_is_read_as_it_was(tmp_path: Path) -> None:
    assert read_networks(tmp_path) == Network()
    network = Network(country="SD", wifi=Wifi(name="clinic", passphrase="long enough"), wireguard=TUNNEL)
    (tmp_path / NETWORK_FILE).write_text(network.to_text())
    assert read_networks(tmp_path) == network
    (tmp_path / NETWORK_FILE).write_text("wifi = 3")
    with pytest.raises(NetworksRefused, match=NETWORK_FILE):
        read_networks(tmp_path)


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("", ()),
        ("[page]", ()),
        ('[page]\ntablet = "0.0.0.0:8443"\n[site]\npeers = {}', (7443, 8443)),
        ('[page]\ntablet = "127.0.0.1:8443"', ()),
        ('[site]\nlisten = "10.0.0.7:7000"', (7000,)),
        ('[site]\nlisten = "everywhere"', ()),
        ("no toml", ()),
    ],
)
def test_ports_are_open_that_the_file_names_for_others(
    tmp_path: Path, text: str, ports: tuple[int, ...]
) -> None:
    (tmp_path / "aidpost.toml").write_text(text)
    assert ports_of(tmp_path / "aidpost.toml") == ports
    assert ports_of(tmp_path / "missing.toml") == ()


def test_the_filter_forgets_what_was_open() -> None:
    assert filter_commands(()) == "flush set inet aidpost appliance_ports\n"
    assert filter_commands((7443, 8443)).endswith("add element inet aidpost appliance_ports { 7443, 8443 }\n")
