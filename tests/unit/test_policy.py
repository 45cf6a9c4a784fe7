"""The data policy: what is refused, and what its retention erases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from firmware import policy
from firmware.cli import main
from firmware.clock import Clock
from firmware.policy import PolicyRefused
from firmware.records import ClockQuality
from firmware.retention import Retention
from firmware.store.errors import PolicyWentBack
from tests.kit.shared_site import MatcherOfIds, directly, in_store_of
from tests.kit.store_values import PURPOSE, moment, open_store, reference
from trust.consent import Purpose
from trust.issuer import IssuerKey

POLICY = """
format = "aidpost policy 1"
edition = 3
site = "site-1"
controller = "Harbour Clinic, data protection: room 4"

[[purposes]]
name = "clinic check-in"
basis = "consent"
why = "to know returning patients without papers"
retention_days = 90
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path


def test_a_signed_policy_is_taken_and_one_changed_afterwards_is_not(file: Path) -> None:
    issuer, stranger = IssuerKey.new(), IssuerKey.new()
    with pytest.raises(PolicyRefused, match="not signed"):
        policy.read_signed(file, (issuer.public,))
    policy.sign(file, issuer)
    found = policy.read_signed(file, (issuer.public,))
    assert policy.rule_for(found, "site-1", PURPOSE).retention_days == 90
    with pytest.raises(PolicyRefused, match="not among"):
        policy.read_signed(file, (stranger.public,))
    file.write_text(POLICY.replace("90", "3000"))
    with pytest.raises(PolicyRefused, match="changed after"):
        policy.read_signed(file, (issuer.public,))
    policy.sign(file, issuer)
    assert policy.read_signed(file, (issuer.public,)).edition == 3
    (beside := file.with_name(f"{file.name}.sig")).write_text("notes of mine\n")
    with pytest.raises(PolicyRefused, match="no signature: move it away"):
        policy.sign(file, issuer)
    assert beside.read_text() == "notes of mine\n"


def test_another_purpose_or_site_than_the_policy_s_is_not_served(file: Path) -> None:
    found = policy.read(file)
    with pytest.raises(PolicyRefused, match="serves nobody for it"):
        policy.rule_for(found, "site-1", Purpose.DISTRIBUTION)
    with pytest.raises(PolicyRefused, match="is at elsewhere"):
        policy.rule_for(found, "elsewhere", PURPOSE)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("retention_days = 90", "retention_days = 0"),
        ("retention_days = 90", ""),
        ('basis = "consent"', 'basis = "curiosity"'),
        ("edition = 3", "edition = 3\nsold_to = 'anybody'"),
        ('name = "clinic check-in"', 'name = "police search"'),
        ("[[purposes]]", "[[purposes"),
        (POLICY.partition("[[")[2], POLICY.partition("[[")[2] + POLICY[POLICY.index("[[") :]),
    ],
)
def test_a_policy_that_says_nonsense_is_refused_with_its_place(file: Path, was: str, becomes: str) -> None:
    file.write_text(POLICY.replace(was, becomes))
    answer = CliRunner().invoke(main, ["policy", "check", str(file)])
    assert answer.exit_code == 1
    assert "policy.toml" in answer.output


def test_check_says_what_the_policy_means_and_schema_describes_it(file: Path) -> None:
    answer = CliRunner().invoke(main, ["policy", "check", str(file)])
    assert "clinic check-in: kept 90 days, by consent" in answer.output
    assert "set aside is erased after 30 days" in answer.output
    described = CliRunner().invoke(main, ["policy", "schema"])
    assert "retention_days" in json.dumps(json.loads(described.output))


async def test_an_entry_is_erased_when_its_days_are_over_and_an_older_policy_is_refused(
    tmp_path: Path, file: Path
) -> None:
    store, matcher = open_store(tmp_path), MatcherOfIds()
    hours = [0.0]
    told: list[str] = []
    clock = Clock(moment().boot_id, lambda: moment(hours[0]).monotonic_ns, lambda: 0)
    retention = Retention(
        policy.read(file), 90, in_store_of(store), directly, matcher, clock, lambda: told.append("changed")
    )
    await retention.begin()
    store.gallery.add(moment(), reference(1))
    matcher.ids.add(reference(1).entry_id)
    assert await retention.expire() == 0
    hours[0] = 24 * 60
    store.gallery.add(moment(hours[0]), reference(2))
    assert await retention.expire() == 0
    hours[0] = 24 * 91
    assert (await retention.expire(), told) == (1, ["changed"])
    assert matcher.ids == set()
    assert [each.subject for each in store.gallery.references(PURPOSE)] == ["card-2"]
    with pytest.raises(PolicyWentBack):
        store.ages.note_policy(2)
    store.close()


def test_an_age_goes_on_across_boots_by_uptime_and_by_a_good_wall_clock(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.gallery.add(moment(), reference(1))
    entry_id = reference(1).entry_id
    hour_ns = 3600 * 1_000_000_000
    assert store.ages.count(moment(1)) == {entry_id: 0}
    assert store.ages.count(moment(3)) == {entry_id: 2 * hour_ns}
    # Another boot: its own uptime is added, and what the wall clock says counts only where it is good.
    assert store.ages.count(moment(5, boot=2)) == {entry_id: 7 * hour_ns}
    good = moment(6, boot=2, quality=ClockQuality.SYNCHRONISED, wall_hour=600_000)
    assert store.ages.count(good) == {entry_id: 8 * hour_ns}
    store.gallery.add(good, reference(2))
    store.ages.count(good)
    later = moment(1, boot=3, quality=ClockQuality.SYNCHRONISED, wall_hour=601_000)
    assert store.ages.count(later)[reference(2).entry_id] == 995 * hour_ns
    store.close()


def test_a_bad_clock_ages_nobody_and_one_that_was_set_back_makes_nobody_younger(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    good = moment(quality=ClockQuality.SYNCHRONISED, wall_hour=600_000)
    store.gallery.add(good, reference(1))
    entry_id = reference(1).entry_id
    hour_ns = 3600 * 1_000_000_000
    store.ages.count(good)
    assert store.ages.count(moment(2, boot=2, wall_hour=900_000)) == {entry_id: 2 * hour_ns}
    set_back = moment(5, boot=2, quality=ClockQuality.SYNCHRONISED, wall_hour=599_000)
    assert store.ages.count(set_back) == {entry_id: 5 * hour_ns}
    store.gallery.remove(set_back, entry_id)
    assert store.ages.count(set_back) == {}
    store.close()
