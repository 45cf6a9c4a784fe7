"""The filter language: what it matches, and what it says of a slip."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.fleet.filters import FilterRefused, parse, parse_stable
from aggregator.fleet.terms import Facts, Health

DESK = Facts(
    device_id="desk-1",
    site="kakuma-1",
    labels={"ring": "early", "hw": "pi5"},
    site_labels={"region": "north"},
    version="0.10.0",
    connected=True,
    drift=False,
    result="rolled back",
    groups=frozenset({"pilots"}),
    health=Health.WARNING,
)
AWAY = Facts("desk-2", "kakuma-2", {}, {}, "0.9.1", silent_s=7 * 3600.0, drift=True)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", (True, True)),
        ('site = "kakuma-1" AND labels.ring = "early" AND connected', (True, False)),
        ("site = kakuma-*", (True, True)),
        ("site = kakuma", (False, False)),
        ("site:*-2", (False, True)),
        ("labels.ring != early", (False, True)),
        ("labels:hw", (True, False)),
        ("labels.hw:*", (True, False)),
        ("site.labels.region = north", (True, False)),
        ("version < 0.10", (False, True)),
        ("version >= 0.10.0", (True, False)),
        ("version > 0.10.0rc1", (True, False)),
        ("version = 0.9.*", (False, True)),
        ("NOT connected", (False, True)),
        ("-connected", (False, True)),
        ("connected = false", (False, True)),
        ("drift", (False, True)),
        ("silent_for > 6h", (False, True)),
        ("silent_for <= 420m", (True, True)),
        ("health = warning", (True, False)),
        ("result = rolled_back", (True, False)),
        ("result = none", (False, True)),
        ("group = pilots", (True, False)),
        ("group != pilots", (False, True)),
        ("drift OR (connected AND labels.hw = pi4)", (False, True)),
        ("not (drift or connected)", (False, False)),
        ("device = 'desk-1'", (True, False)),
        ("labels.ring = and", (False, False)),
    ],
)
def test_a_filter_matches_what_it_says(text: str, matches: tuple[bool, bool]) -> None:
    holds = parse(text).holds
    assert (holds(DESK), holds(AWAY)) == matches


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = red", "at 1, there is no field colour: write one of device, site,"),
        ("connected AND label.ring = early", "at 15, there is no field label.ring"),
        ("site = ", "at 8, the filter ends too early"),
        ("(drift", "at 7, the filter ends too early"),
        ('site "x"', "at 6, a quotation mark is not closed, or an operator is missing"),
        ('site = "x', "at 8, a quotation mark is not closed"),
        ("drift connected", "at 7, 'connected' is not expected: write AND, OR"),
        ("drift AND connected OR connected", "at 21, AND and OR stand side by side: put brackets"),
        ("AND drift", "at 1, AND joins two comparisons: write one before it"),
        ("drift AND OR connected", "at 11, OR joins two comparisons"),
        ("site", 'at 1, site needs a value: write site = "..."'),
        ("health = bad", "at 1, health: write one of well, warning, failing, silent, barred"),
        ("silent_for > 3", "at 1, silent_for: write <, <=, > or >= and a time as 90m, 36h or 2d"),
        ("labels.ring > early", "compares with = and != alone, not with >"),
        ("labels = early", "write labels.NAME"),
        ("connected = maybe", "at 1, connected: write the field alone"),
        ("NOT " * 200 + "drift", "more than 150 parts"),
        ("drift OR " * 200 + "drift", "longer than 1000 characters"),
    ],
)
def test_a_slip_is_named_with_its_place_and_what_to_write(text: str, said: str) -> None:
    with pytest.raises(FilterRefused) as refused:
        parse(text)
    assert said in str(refused.value)


def test_a_group_cannot_rest_on_what_changes_by_itself() -> None:
    assert parse_stable("labels.ring = early AND version >= 0.2").holds(DESK)
    for text, said in (
        ("labels.ring = early AND connected", "connected changes by itself"),
        ("", "needs a filter"),
    ):
        with pytest.raises(FilterRefused, match=said):
            parse_stable(text)


@given(st.text(alphabet="abc =!<>:()\"'.*-AND OR NOT connected site labels", max_size=40))
def test_any_text_is_understood_or_refused(text: str) -> None:
    with contextlib.suppress(FilterRefused):
        parse(text).holds(DESK)
