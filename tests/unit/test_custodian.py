"""`aidpost custodian` as custodians use it: real commands, real files, a card carried by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from firmware.cli import main
from firmware.commands.passphrase import from_file
from firmware.custodian.errors import CustodianError
from firmware.custodian.key_set import SET, KeySet, share_name
from firmware.custodian.shares import read_share
from tests.kit.galleries import Author, Custodians, passphrase
from tests.kit.store_values import SITE
from trust.gallery.errors import CardRefused
from trust.gallery.roster import Roster
from trust.keys.errors import PinRefused


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def said(answer: Result) -> str:
    return " ".join(answer.output.split())


def test_a_gallery_is_made_and_an_appliance_admitted_and_taken_out_again(tmp_path: Path) -> None:
    folder, secret = str(tmp_path / "set"), tmp_path / "passphrase"
    secret.write_text("a sentence that nobody guesses\n")
    opens = ("--set", folder, "--passphrase-file", str(secret))
    made = run("custodian", "init", *opens, "--site", SITE, "--purpose", "clinic check-in")
    assert made.exit_code == 0, made.output
    appliance = Author(tmp_path / "desk", "desk-1")
    card = tmp_path / "desk.card"
    card.write_bytes(appliance.card.encoded())
    wrong = run("custodian", "wrap", *opens, str(card), "0000-0000")
    assert (wrong.exit_code, "not those that were typed" in said(wrong)) == (1, True)
    right = run("custodian", "wrap", *opens, str(card), appliance.card.words)
    assert "bring it to the aggregator" in said(right)
    roster = Roster.parse((tmp_path / "set" / "gallery.roster").read_bytes())
    assert roster.custodian_words in made.output
    with appliance.epoch_key(roster) as key:
        assert len(key) == 32
    shown = said(run("custodian", "show", "--set", folder))
    assert f"desk-1 card {appliance.card.words}" in shown
    rotated = run("custodian", "rotate", *opens, "--without", "desk-1")
    assert rotated.exit_code == 0, rotated.output
    after = Roster.parse((tmp_path / "set" / "gallery.roster").read_bytes())
    assert (after.epoch, after.edition, after.members) == (2, 2, ())


def test_two_custodians_are_needed_where_two_were_named(tmp_path: Path) -> None:
    custodians = Custodians(tmp_path / "set", count=2)
    card = Author(tmp_path / "desk", "desk-1").card
    assert custodians.admit(card).members
    (second := tmp_path / "set" / share_name(2)).rename(tmp_path / "taken away")
    for paths in ((tmp_path / "set" / share_name(1),), ()):
        with pytest.raises(CustodianError), custodians.key_set.opened(paths, passphrase):
            pass
    # The second share twice, or under the first one's passphrase, opens nothing either.
    (tmp_path / "taken away").rename(second)
    with (
        pytest.raises(CustodianError, match="custodian 2 does not open"),
        custodians.key_set.opened((), lambda _: passphrase(1)),
    ):
        pass


def test_nothing_in_the_files_of_one_custodian_opens_the_gallery(tmp_path: Path) -> None:
    custodians = Custodians(tmp_path / "set", count=2)
    other = Custodians(tmp_path / "other", count=2)
    with (
        pytest.raises(CustodianError, match="another key set"),
        custodians.key_set.opened(
            (tmp_path / "set" / share_name(1), tmp_path / "other" / share_name(2)), passphrase
        ),
    ):
        pass
    with other.key_set.opened((), passphrase) as secret, pytest.raises(CustodianError, match="was changed"):
        custodians.key_set.rotate((), secret)


def test_a_card_that_was_written_into_the_set_gets_no_key(tmp_path: Path) -> None:
    custodians, strangers = Custodians(tmp_path / "set"), Custodians(tmp_path / "strangers")
    custodians.admit(Author(tmp_path / "desk", "desk-1").card)
    strangers.admit(Author(tmp_path / "thief", "desk-2").card)
    own, other = (json.loads((each.folder / SET).read_text()) for each in (custodians, strangers))
    own["members"].append(other["members"][0] | {"number": 2})
    (custodians.folder / SET).write_text(json.dumps(own))
    with (
        pytest.raises(CustodianError, match="changed by another program"),
        KeySet.read(custodians.folder).opened((), passphrase),
    ):
        pass


def test_a_share_gets_another_passphrase(tmp_path: Path) -> None:
    custodians = Custodians(tmp_path / "set")
    path = tmp_path / "set" / share_name(1)
    custodians.key_set.change_passphrase(path, passphrase(1), bytearray(b"quite another sentence"))
    with pytest.raises(CustodianError), custodians.key_set.opened((), passphrase):
        pass
    with custodians.key_set.opened((), lambda _: bytearray(b"quite another sentence")):
        pass
    with pytest.raises(CustodianError, match="15 characters"):
        custodians.key_set.change_passphrase(path, bytearray(b"quite another sentence"), bytearray(b"short"))


def test_a_passphrase_in_a_file_is_its_first_line_and_no_large_file_is_taken_for_one(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    for end in (b"", b"\n", b"\r\n", b"\r\nanother line\r\n"):
        file.write_bytes(b"a sentence that nobody guesses" + end)
        assert from_file(file) == b"a sentence that nobody guesses"
    with file.open("wb") as opened:
        opened.truncate(1 << 40)  # a card's image: one that was read whole would not fit into memory
    with pytest.raises(PinRefused, match="longer than any passphrase"):
        from_file(file)
    for name in (SET, share_name(1)):
        large = tmp_path / "large" / name
        large.parent.mkdir(exist_ok=True)
        with large.open("wb") as opened:
            opened.truncate(1 << 40)
    with pytest.raises(CustodianError, match="no key set"):
        KeySet.read(tmp_path / "large")
    with pytest.raises(CustodianError, match="no custodian's share"):
        read_share(tmp_path / "large" / share_name(1))


def test_a_new_card_of_a_member_needs_a_new_key(tmp_path: Path) -> None:
    custodians = Custodians(tmp_path / "set")
    first = Author(tmp_path / "desk", "desk-1").card
    again = Author(tmp_path / "desk after repair", "desk-1").card
    custodians.admit(first)
    with pytest.raises(CustodianError, match="rotate --without"):
        custodians.admit(again)
    custodians.rotate("desk-1")
    roster = custodians.admit(again)
    (member,) = roster.members
    assert (roster.epoch, member.number) == (2, 2)


@pytest.mark.parametrize(
    "change",
    [
        {"salt": ""},
        {"cost": {"memory_kib": 1 << 31}},
        {"cost": {"lanes": 0}},
        {"wrapped": ""},
        {"format": "2"},
    ],
)
def test_a_share_that_was_changed_is_refused_before_it_costs_anything(
    tmp_path: Path, change: dict[str, object]
) -> None:
    custodians = Custodians(tmp_path / "set")
    path = tmp_path / "set" / share_name(1)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CustodianError, match=r"custodian"), custodians.key_set.opened((), passphrase):
        pass


def test_a_card_of_another_site_is_refused(tmp_path: Path) -> None:
    custodians = Custodians(tmp_path / "set")
    elsewhere = Author(tmp_path / "far", "far-1", site="elsewhere").card
    with pytest.raises(CardRefused, match="elsewhere"):
        custodians.admit(elsewhere)


def test_a_damaged_set_says_so(tmp_path: Path) -> None:
    custodians = Custodians(tmp_path / "set")
    (tmp_path / "set" / SET).write_text("{}")
    with pytest.raises(CustodianError, match="damaged"):
        KeySet.read(custodians.folder)
    (card := tmp_path / "x.card").write_bytes(b"no card")
    wrap = run("custodian", "wrap", "--set", str(Custodians(tmp_path / "other").folder), str(card), "words")
    assert (wrap.exit_code, "x.card: this is no card" in said(wrap)) == (1, True)
    assert run("custodian", "show", "--set", str(tmp_path / "nowhere")).exit_code == 1
