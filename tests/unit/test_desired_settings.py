"""Which settings can be desired, and what is said of one that cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.config import Camera, Config, Device, Keys, Page, Session
from firmware.desired.settings import KNOWN_SETTINGS, SettingsRefused, in_use, laid_over
from trust.consent import Purpose
from trust.keys.guard import GuardKind

BASE = Config(
    device=Device(id="post-1", site="site-1", purpose=Purpose.CLINIC_CHECK_IN, data=Path("state")),
    keys=Keys(guard=GuardKind.FILE),
    camera=Camera(driver="replay"),
    session=Session(tries=4),
)


def test_what_is_desired_lies_over_the_file_and_the_rest_stays() -> None:
    config = laid_over(BASE, {"session.face_frames": "3", "attack.active": "true"})
    assert (config.session.tries, config.session.face_frames, config.attack.active) == (4, 3, True)
    assert config.device is BASE.device
    assert in_use(config)["session.tries"] == "4"
    assert "page.languages" not in in_use(config)  # there is no page
    assert laid_over(BASE, in_use(config)) == config


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("session.tries", "9", "Expected `int` <= 5"),
        ("session.tries", '"3"', "Expected `int`, got `str`"),
        ("session.tries", "three", "no JSON"),
        ("session.order", '["face", "toe"]', 'one of "face", "finger"'),
        ("session.order", "[]", "length >= 1"),
        ("session.order", '"' + "x" * 5000 + '"', "longer than 4096 bytes"),
        ("session.trys", "3", "did you mean session.tries?"),
        ("page.languages", '["en"]', "no [page]"),
        ("keys.guard", '"file"', "in the appliance's own file alone"),
        ("device.id", '"post-2"', "in the appliance's own file alone"),
        ("uplink.target", '"elsewhere:1"', "in the appliance's own file alone"),
        ("issuer.keys", "[]", "in the appliance's own file alone"),
        ("nothing.at_all", "1", "no such setting"),
    ],
)
def test_each_that_cannot_be_used_is_named_with_what_to_do(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        laid_over(BASE, {"session.face_frames": "3", name: value})
    (refusal,) = refused.value.refusals
    assert refusal.field == f"settings.{name}"
    assert says in refusal.reason


def test_nothing_that_says_who_it_is_or_whom_it_trusts_can_be_desired() -> None:
    tables = {name.partition(".")[0] for name in KNOWN_SETTINGS}
    assert not tables & {"device", "keys", "issuer", "retention", "site", "fingerprint", "camera", "board"}
    of_page = {name for name in KNOWN_SETTINGS if name.startswith("page.")}
    assert of_page < {f"page.{key}" for key in Page.__struct_fields__}
    assert "uplink.target" not in KNOWN_SETTINGS
    assert "gallery.custodian" not in KNOWN_SETTINGS


def test_the_page_for_the_fleet_manager_names_each_that_there_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "desired-state.md").read_text()
    assert [name for name in KNOWN_SETTINGS if f"`{name}`" not in page] == []
