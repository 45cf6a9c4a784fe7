"""A plan says before the start what a rollout takes, and when it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from aggregator.fleet.planner import Plan, PlanDevice, next_open, plan
from aggregator.fleet.rollout import Change, Ring, Thresholds
from aggregator.fleet.terms import Site
from trust.state import Artifact, ArtifactKind, ServiceWindow

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)  # a Thursday
MODELS = Artifact(ArtifactKind.MODELS, "2026-11", "ab" * 32, 30_000_000)
POLICY = Artifact(ArtifactKind.POLICY, "2", "cd" * 32, 4_000)
CHANGE = Change({"session.tries": "4"}, (MODELS, POLICY))
KNOWN = frozenset({"session.tries"})
NIGHT = ServiceWindow("Africa/Nairobi", 20 * 3600, 5 * 3600)  # from 17:00 UTC
RINGS = (Ring("canary", "", 10, 3600), Ring("rest", "", 100, 0))
UNJUDGED = Thresholds(failure_to_acquire_points=0, no_match_points=0)


SITES = {"kakuma-1": Site("kakuma-1", 1, window=NIGHT)}


def planned(*devices: PlanDevice, sites: tuple[Site, ...], terms: Thresholds = UNJUDGED) -> Plan:
    return plan(CHANGE, RINGS, terms, devices, {site.name: site for site in sites}, NOW)


def device(name: str, ring: int, site: str = "kakuma-1", **more: object) -> PlanDevice:
    values: dict[str, object] = {"software_version": "0.1.0", "known_settings": KNOWN} | more
    return PlanDevice(name, site, ring, **values)  # type: ignore[arg-type]


def test_bytes_are_those_that_each_device_lacks_and_cost_what_their_site_pays() -> None:
    found = planned(
        device("desk-1", 0, held=frozenset({MODELS.digest})),
        device("desk-2", 1),
        device("desk-3", 1, "juba-1"),
        sites=(
            Site("kakuma-1", 1, window=NIGHT, megabyte_cost_milli=5_000, currency="KES"),
            Site("juba-1", 1, window=NIGHT, megabyte_cost_milli=12, currency="USD"),
        ),
    )
    assert [(ring.devices, ring.sites, ring.size_bytes) for ring in found.rings] == [
        (1, 1, 4_000),
        (2, 2, 60_008_000),
    ]
    assert found.size_bytes == 60_012_000
    assert found.cost_milli == {"KES": 150_040, "USD": 361}  # a part of a thousandth counts whole


def test_of_software_it_says_that_the_whole_is_counted_and_what_limits_it() -> None:
    software = Artifact(ArtifactKind.SOFTWARE, "1.3.0", "ef" * 32, 180_000_000)
    for settings, limit in (({}, ", 20 where nobody set it"), ({"updates.most_mb": "180"}, " = 180")):
        found = plan(Change(settings, (software,)), RINGS, UNJUDGED, (device("desk-1", 0),), SITES, NOW)
        (said,) = [
            each for each in found.remarks if each.startswith("software 1.3.0 is counted whole, 180 MB")
        ]
        assert said.endswith(f"up to updates.most_mb{limit}")


def test_rings_end_in_the_windows_of_their_sites_after_their_soak() -> None:
    found = planned(device("desk-1", 0), device("desk-2", 1), sites=(Site("kakuma-1", 1, window=NIGHT),))
    first = datetime(2026, 11, 26, 18, 0, tzinfo=UTC)
    assert [ring.ends for ring in found.rings] == [first, first]  # the window is still open then
    assert found.ends == first


def test_files_larger_than_a_days_bytes_come_in_days_that_begin_at_midnight_there() -> None:
    budget = Site("kakuma-1", 1, window=NIGHT, daily_budget_bytes=10_000_000)
    found = planned(device("desk-1", 0), device("desk-2", 1), sites=(budget,))
    # 30,004,000 bytes: the last come on the fourth day, from 21:00 UTC of the third, when the window is open.
    assert found.rings[0].ends == datetime(2026, 11, 28, 22, 0, tzinfo=UTC)


def test_a_site_that_would_take_years_has_no_end_and_is_named() -> None:
    sites = (Site("kakuma-1", 1, window=NIGHT), Site("juba-1", 1, window=NIGHT, daily_budget_bytes=20_000))
    found = planned(device("desk-1", 0), device("desk-2", 1, "juba-1"), sites=sites)
    assert found.rings[0].ends is not None
    assert (found.rings[1].ends, found.ends) == (None, None)
    assert [remark for remark in found.remarks if "juba-1" in remark] == [
        "site juba-1 would need more than 730 days with 20000 bytes a day: raise its budget, or leave it out "
        "by the filter"
    ]


def test_a_site_in_a_time_zone_that_this_machine_does_not_know_is_as_one_without_a_window() -> None:
    elsewhere = ServiceWindow("Mars/Olympus", 0, 3600)
    found = planned(device("desk-1", 0), device("desk-2", 1), sites=(Site("kakuma-1", 1, window=elsewhere),))
    assert found.rings[0].ends == NOW + timedelta(hours=1)
    assert found.remarks[0].startswith("no service window is set for kakuma-1")


def test_remarks_name_what_to_look_at_before_the_start() -> None:
    found = planned(
        device("desk-1", 0, silent=True),
        device("desk-2", 0, known_settings=None),
        device("desk-3", 1, known_settings=frozenset(), software_version="0.0.9"),
        sites=(Site("kakuma-1", 1),),
        terms=Thresholds(),
    )
    assert found.remarks == (
        "1 device is silent (desk-1): counted as if they answered; they take it up when they are back",
        "1 device is yet to say what they hold (desk-2): every file is counted there",
        "version 0.0.9 does not know session.tries and would refuse the whole change: update desk-3 first, "
        "or leave them out by the filter",
        "no service window is set for kakuma-1: there the change is taken up at any time in which nobody is "
        "served",
        "ring canary ends only when 2 of its 2 devices have answered, and 1 of them are heard of: set "
        "min_devices to 1, or leave the silent ones out by the filter",
        "ring rest changes one device: a change of its people looks like a change by the rollout, so it "
        "cannot stop it; two devices or more can, at two sites best",
    )


@given(
    st.sampled_from(["Africa/Nairobi", "America/Bogota", "Europe/Berlin", "Asia/Kathmandu"]),
    st.integers(0, 86_399),
    st.integers(0, 86_399),
    st.sets(st.integers(0, 6)),
    st.integers(0, 366 * 24 * 60),
)
def test_the_next_window_is_one_and_none_is_before_it(
    zone: str, start_s: int, end_s: int, weekdays: set[int], minutes: int
) -> None:
    window = ServiceWindow(zone, start_s, end_s, tuple(sorted(weekdays)))
    after = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    opens = next_open(window, after)
    assert opens >= after
    assert window.holds(opens) or _skipped(opens.astimezone(ZoneInfo(zone)))
    steps = min(int((opens - after) / timedelta(minutes=10)), 6 * 24 * 8)
    assert not any(window.holds(after + timedelta(minutes=10 * step)) for step in range(steps))


def _skipped(moment: datetime) -> bool:
    """Tell whether the clock jumps near this moment: a window may lie in an hour that is not there."""
    day = timedelta(hours=3)
    return (moment - day).utcoffset() != (moment + day).utcoffset()
