"""The code by which phones and routers share a Wi-Fi network, as they write it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import segno
from hypothesis import example, given
from hypothesis import strategies as st

from firmware.cards.claim_code import CLAIM_PREFIX
from firmware.cards.scanner import find_code
from firmware.cards.wifi_code import WIFI_PREFIXES, WifiCodeRefused, from_wifi_code
from trust.network import Wifi

WORDS = "long enough"
PRINTED = st.characters(min_codepoint=32, max_codepoint=126)


@pytest.mark.parametrize(
    ("code", "wifi"),
    [
        # Android 10 to 15, and iOS 18
        (
            "WIFI:S:Harbour Clinic;T:WPA;P:long enough;H:false;;",
            Wifi(name="Harbour Clinic", passphrase=WORDS),
        ),
        ("WIFI:S:Harbour;T:SAE;P:long enough;H:false;;", Wifi(name="Harbour", passphrase=WORDS)),
        ("WIFI:T:WPA;S:Harbour;P:long enough;;", Wifi(name="Harbour", passphrase=WORDS)),
        # a hidden one, and one without a passphrase
        (
            "WIFI:T:WPA;S:Harbour;P:long enough;H:true;;",
            Wifi(name="Harbour", passphrase=WORDS, hidden=True),
        ),
        ("WIFI:T:nopass;S:Guests;;", Wifi(name="Guests", security="open")),
        ("WIFI:T:nopass;S:Guests;P:;H:;;", Wifi(name="Guests", security="open")),
        ("WIFI:S:Guests;;", Wifi(name="Guests", security="open")),
        # stickers of routers: other names of the same, no type, no end
        ("WIFI:T:WPA2;S:Box-1;P:long enough;;", Wifi(name="Box-1", passphrase=WORDS)),
        ("WIFI:S:Box-1;P:long enough", Wifi(name="Box-1", passphrase=WORDS)),
        ("wifi:t:wpa;s:Box-1;p:long enough;;", Wifi(name="Box-1", passphrase=WORDS)),
        # WPA3 alone (transition disabled)
        ("WIFI:T:WPA;R:1;S:New;P:long enough;;", Wifi(name="New", passphrase=WORDS, security="wpa3")),
        # escaped signs, other alphabets, and what looks like hexadecimal digits
        (
            r"WIFI:T:WPA;S:a\;b\:c\,d\"e\\f;P:p\;q\\r\:s\,t;;",
            Wifi(name='a;b:c,d"e\\f', passphrase="p;q\\r:s,t"),
        ),
        ("WIFI:T:WPA;S:Лікарня;P:long enough;;", Wifi(name="Лікарня", passphrase=WORDS)),
        ('WIFI:T:WPA;S:"CAFE";P:"12345678";;', Wifi(name="CAFE", passphrase="12345678")),
        ('WIFI:T:WPA;S:"Harbour";P:long enough;;', Wifi(name='"Harbour"', passphrase=WORDS)),
        # fields of others
        ("WIFI:T:WPA;X:1;S:Box;K:MDkw;P:long enough;;", Wifi(name="Box", passphrase=WORDS)),
    ],
)
def test_what_phones_and_routers_show_is_understood(code: str, wifi: Wifi) -> None:
    assert from_wifi_code(code) == wifi


@pytest.mark.parametrize(
    "code",
    [
        "WIFI:T:WEP;S:Old;P:abcde;;",
        "WIFI:T:WPA2-EAP;S:Office;E:PEAP;PH2:MSCHAPV2;I:ana;P:secret word;;",
        "WIFI:T:WPA;S:Office;E:TTLS;I:ana;P:secret word;;",
        "WIFI:T:WPA3-ENTERPRISE;S:Office;P:secret word;;",
        "WIFI:T:WAPI;S:Box;P:long enough;;",
    ],
)
def test_networks_of_other_kinds_are_told_as_such(code: str) -> None:
    assert from_wifi_code(code) is WifiCodeRefused.UNSUPPORTED


@pytest.mark.parametrize(
    "code",
    [
        "WIFI:",
        "WIFI:;;",
        "WIFI:T:WPA;S:Harbour;;",
        "WIFI:T:WPA;S:Harbour;P:short;;",
        "WIFI:T:WPA;P:long enough;;",
        f"WIFI:T:WPA;S:{'a' * 33};P:long enough;;",
        f"WIFI:T:WPA;S:Harbour;P:{'0' * 64};;",
        "WIFI:T:WPA;S:Har\nbour;P:long enough;;",
        "WIFI:T:WPA;S:Harbour;P:пароль пароль;;",
        "WIFI:S:Harbour\\",
        "WIFI:T:WPA;S:Harbour;P:long enough;;" + "x" * 2000,
        "http://elsewhere.example",
        "",
    ],
)
def test_what_is_no_network_is_told_as_such(code: str) -> None:
    assert from_wifi_code(code) is WifiCodeRefused.UNREADABLE


@given(st.text(max_size=200))
@example("WIFI:S:\\;;")
@example("\\" * 100)
def test_no_code_breaks_it(text: str) -> None:
    for code in (text, WIFI_PREFIXES[0] + text, f"WIFI:T:WPA;S:{text};P:{text};;"):
        assert isinstance(from_wifi_code(code), Wifi | WifiCodeRefused)


@given(st.text(PRINTED, min_size=1, max_size=32), st.text(PRINTED, min_size=8, max_size=63), st.booleans())
def test_what_a_generator_escapes_comes_back(name: str, passphrase: str, hidden: bool) -> None:
    def escaped(text: str) -> str:
        text = "".join(f"\\{sign}" if sign in '\\;,:"' else sign for sign in text)
        return f'"{text}"' if all(sign in "0123456789abcdefABCDEF" for sign in text) else text

    code = f"WIFI:T:WPA;S:{escaped(name)};P:{escaped(passphrase)};H:{str(hidden).lower()};;"
    assert from_wifi_code(code) == Wifi(name=name, passphrase=passphrase, hidden=hidden)


def test_it_is_found_in_a_picture() -> None:
    code = "WIFI:T:WPA;S:Harbour;P:long enough;;"
    modules = np.array(list(segno.make_qr(code, error="l").matrix_iter(scale=4, border=4)), np.uint8)
    picture = cv2.cvtColor(np.where(modules > 0, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    assert find_code(np.asarray(picture, np.uint8), (CLAIM_PREFIX, *WIFI_PREFIXES)) == code
