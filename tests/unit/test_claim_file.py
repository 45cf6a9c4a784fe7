"""Claim files and their codes: what is read is what was written; all else is refused in plain words."""

from __future__ import annotations

import secrets
import tempfile
import tomllib
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pypdfium2
import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from aggregator.cli import main
from firmware.cards import base45
from firmware.cards.claim_code import CLAIM_PREFIX, from_code, to_code
from firmware.cards.claim_sheet import claim_sheet
from firmware.cards.payload import NotWhole
from firmware.cards.scanner import find_code
from firmware.config import Lease
from firmware.config_file import load
from firmware.first_boot.configuration import tables_of
from firmware.personalise.batch import (
    BatchRefused,
    checked,
    needs_modem_manager,
    needs_tablets,
    numbered,
    read_list,
    with_code,
)
from tests.unit.test_files_fuzz import damaged
from trust.claim import Claim
from trust.claim_file import ClaimedSupervisor, ClaimFile, ClaimFileRefused, read_claim_file
from trust.network import Network
from trust.toml_text import Tables, merged, to_toml

MADE = datetime(2026, 11, 26, 5, tzinfo=UTC)
COMMON: Tables = {
    "device": {"site": "harbour-clinic", "purpose": "clinic check-in", "languages": ["fr", "en"]},
    "aggregator": {"target": "aggregator.relief.example:50051"},
    "keys": {"guard": "otp"},
    "supervisor": {"name": "ana"},
    "network": {
        "country": "KE",
        "wifi": {"name": "Clinique Fermé", "passphrase": 'a "quoted\\ one"'},
        "cellular": {"apn": "internet.example", "pin": "0000"},
    },
}
WIREGUARD = {
    "private_key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "address": ["10.7.0.4/32"],
    "peer_key": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
    "endpoint": "vpn.relief.example:51820",
    "allowed": ["10.7.0.0/24"],
}


def claim_of(more: Tables | None = None, device: str = "kit-07") -> ClaimFile:
    (tables,) = checked(merged(COMMON, more or {}), [{"device": {"id": device}}])
    return with_code(tables, Claim.new(secrets.token_bytes(32)).text(), MADE, timedelta(days=7))


CLAIM = claim_of({"network": {"wireguard": WIREGUARD}})
WHOLE = CLAIM.to_text().encode()


def test_a_file_and_its_code_say_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "aidpost-claim.toml"
    path.write_bytes(b"\xef\xbb\xbf" + WHOLE.replace(b"\n", b"\r\n"))  # as Windows' editor leaves it
    assert read_claim_file(path) == CLAIM == ClaimFile.parse(from_code(to_code(CLAIM.to_text())))
    assert CLAIM.aggregator.expires - CLAIM.aggregator.made == timedelta(days=7)
    for secret in (CLAIM.aggregator.code, 'a "quoted', "AAAAAAA", "0000"):
        assert secret not in repr(CLAIM)


def test_why_a_supervisor_is_not_taken_names_nobody() -> None:
    """An appliance logs the reason."""
    text = CLAIM.to_text().replace('name = "ana"', 'name = "Ana Lopez!"')
    with pytest.raises(ClaimFileRefused, match="supervisor") as refused:
        ClaimFile.parse(text)
    assert "Lopez" not in str(refused.value)
    assert "ana" not in repr(CLAIM)


def test_the_printed_code_is_read_by_a_camera() -> None:
    claim = claim_of()
    page = pypdfium2.PdfDocument(claim_sheet([claim, claim_of(device="kit-08")]))[0]
    sheet = page.render(scale=2.0).to_numpy()[..., :3]
    card = np.ascontiguousarray(sheet[: sheet.shape[0] // 2, : sheet.shape[1] // 2])
    # As before a camera of 640×480 at some 20 cm: 5 pixels for a module, out of focus, turned.
    seen = cv2.warpAffine(
        card, cv2.getRotationMatrix2D((240, 160), 7, 0.9), (640, 480), borderValue=(230, 230, 230)
    )
    found = find_code(np.asarray(cv2.GaussianBlur(seen, (0, 0), 0.8), np.uint8), CLAIM_PREFIX)
    assert ClaimFile.parse(from_code(found)) == claim
    assert len(found) < 300


@given(damaged(WHOLE) | st.binary(max_size=200))
@example(b"a = " + b"[" * 5000)
@example(b"#" * 9000)
@example(b"")
def test_a_damaged_file_is_read_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "claim"
        path.write_bytes(content)
        with suppress(ClaimFileRefused):
            assert isinstance(read_claim_file(path), ClaimFile)


@given(damaged(to_code(CLAIM.to_text()).encode()).map(lambda code: code.decode("latin-1")))
def test_a_damaged_code_is_no_claim_file(code: str) -> None:
    with suppress(NotWhole):
        assert from_code(code) == CLAIM.to_text()


def test_a_code_that_would_fill_the_memory_is_refused() -> None:
    bomb = to_code(" " * 10_000_000)
    assert len(bomb) > 4296  # no camera reads it, and a shorter one unpacks to 8 KB at most
    with pytest.raises(NotWhole):
        from_code(bomb)
    with pytest.raises(NotWhole, match="longer than any"):
        from_code(to_code(" " * 100_000))
    with pytest.raises(NotWhole):
        from_code(CLAIM_PREFIX + base45.encode(b"\x00\x00"))


def changed(*path: str, to: object) -> Tables:
    tables: Any = to
    for name in reversed(path):
        tables = {name: tables}
    return merged(COMMON, tables)


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        (changed("device", "purpose", to="clinic"), 'one of "clinic check-in", "distribution"'),
        (changed("device", "sitte", to="x"), "did you mean `site`"),
        (changed("device", "site", to="a/b"), "no name of a device or site"),
        (changed("device", "languages", to=["xx"]), "languages"),
        (changed("aggregator", "target", to="aggregator"), "host:port"),
        (changed("aggregator", "target", to="a b:1"), "host:port"),
        (changed("keys", "guard", to="none"), 'one of "file", "otp", "pin", "tpm"'),
        (changed("supervisor", "pin", to="12"), "6 to 32 digits"),
        (changed("supervisor", "pin", to="123456"), "everybody tries first"),
        (changed("supervisor", "name", to="a" * 33), "32 at most"),
        (changed("network", "wifi", "passphrase", to="short"), "8 to 63"),
        (changed("network", "wifi", "passphrase", to="12345678\nkey_mgmt=NONE"), "8 to 63"),
        (changed("network", "wifi", "name", to="a\nb"), "1 to 32 bytes"),
        (changed("network", "wifi", "name", to="é" * 17), "1 to 32 bytes"),
        (changed("network", "wifi", "security", to="open"), "no passphrase"),
        (changed("network", "cellular", "apn", to="internet;reboot"), "APN"),
        (changed("network", "country", to="Kenya"), "country"),
        (changed("network", "wireguard", to={**WIREGUARD, "private_key": "x"}), "44 characters"),
        (changed("network", "wireguard", to={**WIREGUARD, "allowed": ["everything"]}), "everything"),
        (changed("hardware", to={"fingerprint": "none", "camera": "none"}), "reader or a camera"),
        (changed("hardware", to={"board": "none", "screen": False}), "nobody could use"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_plain_words(tables: Tables, sentence: str) -> None:
    devices: list[Tables] = [{"device": {"id": "kit-07"}}]
    with pytest.raises(BatchRefused, match=r"^kit-07: ") as refused:
        checked(tables, devices)
    assert sentence in str(refused.value)


def test_a_list_names_each_appliance() -> None:
    listed = read_list(
        "device,site,supervisor,pin,wireguard_private_key,wireguard_address\n"
        "desk-a,,ben,135246,,\ndesk-b,north-gate,,,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,10.7.0.5/32\n"
    )
    wireguard = {key: WIREGUARD[key] for key in ("peer_key", "endpoint", "allowed")}
    of_a, of_b = checked(COMMON, listed[:1]) + checked(
        merged(COMMON, {"network": {"wireguard": wireguard}}), listed[1:]
    )
    assert (of_a["device"]["site"], of_a["supervisor"]) == (
        "harbour-clinic",
        {"name": "ben", "pin": "135246"},
    )
    assert (of_b["device"]["site"], of_b["network"]["wireguard"]["address"]) == (
        "north-gate",
        ["10.7.0.5/32"],
    )
    assert of_b["supervisor"]["name"] == "ana"
    assert [each["device"]["id"] for each in numbered("kit-", 9, 3)] == ["kit-09", "kit-10", "kit-11"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "first line names its columns"),
        ("site\nx\n", "first line names its columns"),
        ("device,wifi\nx,y\n", "no column 'wifi'"),
        ("device\nx,y\n", "more cells than columns"),
        ('device\n"x\n', "no CSV file"),
        ("device\nKit-1\nkit-1\n", "there twice"),
        ("device\n", "1 to 1000 appliances"),
    ],
)
def test_an_odd_list_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(BatchRefused, match=sentence):
        checked(COMMON, read_list(text))


@pytest.mark.parametrize("guard", ["tpm", "pin"])
def test_a_guard_that_the_image_has_not_is_refused_before_codes_are_made(guard: str) -> None:
    tables, devices = merged(COMMON, {"keys": {"guard": guard}}), [{"device": {"id": "kit-01"}}]
    with pytest.raises(BatchRefused, match=f"kit-01: .* guard {guard}: take --guard otp"):
        checked(tables, devices)
    assert len(checked(tables, devices, for_image=False)) == 1


def test_the_command_says_what_to_give(tmp_path: Path) -> None:
    common = tmp_path / "common.toml"
    common.write_text("[network.wifi]\nname = 'x'\npassphrase = 'short'\n")
    here = ["--out", str(tmp_path / "out"), "--credential", str(tmp_path / "none.pem")]

    def told(*words: str) -> str:
        answer = CliRunner().invoke(main, ["image", "personalise", *here, *words])
        return " ".join(answer.output.replace("│", " ").split())

    asked = ("--site", "s", "--purpose", "distribution", "--target", "a:1", "--guard", "file")
    assert "--count, or which ones with --list" in told()
    assert "--guard otp on a Raspberry Pi" in told("--count", "2", *asked[:-2])
    assert "--target HOST:PORT" in told("--count", "2", *asked[:4])
    assert "8 to 63" in told("--count", "2", *asked, "--common", str(common))
    assert "take --guard otp" in told("--count", "2", *asked, "--guard", "tpm")
    assert "none.pem" in told("--count", "2", *asked, "--guard", "tpm", "--without-image")
    assert "none.pem" in told("--count", "2", *asked)
    nowhere = str(tmp_path / "missing" / "out")
    assert "make that first" in told("--count", "2", *asked, "--out", nowhere)
    assert not (tmp_path / "out").exists()


def test_whoever_personalises_is_told_what_a_mobile_network_needs() -> None:
    by_cable = msgspec.structs.replace(CLAIM, network=Network())
    assert needs_modem_manager([by_cable]) == ""
    assert "claim of kit-07 names a mobile network" in needs_modem_manager([by_cable, CLAIM])
    assert "kit-07 and 1 more" in needs_modem_manager([CLAIM, claim_of(device="kit-08")])


def test_whoever_personalises_is_told_where_nobody_would_see_the_page() -> None:
    named = msgspec.structs.replace(CLAIM, supervisor=ClaimedSupervisor(name="ana", pin="482913"))
    nobody = msgspec.structs.replace(CLAIM, supervisor=None)
    assert "claim of kit-07 has no tablets" in needs_tablets([named])
    assert "enter a supervisor" not in needs_tablets([named])
    assert "kit-07 and 1 more" in needs_tablets([nobody, named])
    assert "enter a supervisor" in needs_tablets([nobody, named])
    for change in ({"tablets": True}, {"screen": False}):
        way = msgspec.structs.replace(nobody, hardware=msgspec.structs.replace(CLAIM.hardware, **change))
        assert needs_tablets([way]) == ""


def test_the_keys_of_an_appliance_from_the_image_end_when_it_hears_of_nobody(tmp_path: Path) -> None:
    overlay = Path(__file__).parents[2] / "image-build/overlay/usr/lib/aidpost"
    base = tomllib.loads((overlay / "appliance.toml").read_text())
    path = tmp_path / "aidpost.toml"
    path.write_text(to_toml(tables_of(CLAIM, base, tmp_path)))
    assert load(path).lease == Lease(uptime_days=30.0, boots=200)


def test_opening_the_lid_does_what_the_claim_says_and_destroys_otherwise() -> None:
    for claim, does in (
        (CLAIM, "destroy"),
        (claim_of({"keys": {"on_tamper": "report"}}), "report"),
    ):
        assert ClaimFile.parse(claim.to_text()) == claim
        assert tables_of(claim, {}, Path("/data"))["keys"]["on_tamper"] == does
    with pytest.raises(BatchRefused, match='one of "destroy", "report"'):
        claim_of({"keys": {"on_tamper": "ignore"}})


def test_network_settings_are_read_again() -> None:
    read = msgspec.convert(tomllib.loads(CLAIM.network.to_text()), Network, strict=True)
    assert read == CLAIM.network
