"""The dashboard's page of the service: rates with intervals, and no small cell."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aggregator.dashboard.service_page import make_service_page
from aggregator.fleet.tallies import ANSWERS, CLAIMS, HOUR_NS, SERVICE_MS, WRONGLY_REFUSED
from aggregator.store.service_figures import ServiceFigures
from tests.kit import big_fleet
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.dashboard_rig import DashboardRig, dashboard_rig, words
from trust.service import Answer, Workflow

HOUR = NOW_NS // HOUR_NS
GIVEN = ANSWERS[Workflow.DISTRIBUTION, Answer.GIVEN]
DESK = ANSWERS[Workflow.DISTRIBUTION, Answer.DESK]
TOOK = SERVICE_MS[Workflow.DISTRIBUTION]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[DashboardRig]:
    async with dashboard_rig(tmp_path) as rig:
        yield rig


def figures(cohorts: dict[str, tuple[int, int]], **sums: int) -> ServiceFigures:
    return ServiceFigures({}, {HOUR // 24: sums}, {}, cohorts)


def test_rates_stand_with_their_intervals_and_times_with_who_was_timed() -> None:
    sums = {GIVEN: 190, DESK: 10, TOOK: 4_000_000, CLAIMS: 200, WRONGLY_REFUSED: 4}
    total = make_service_page(figures({}, **sums), HOUR, 7, "").total
    assert (total.served, total.others, total.seconds) == (190, 10, "20.0")
    # Wilson's interval of 4 of 200.
    assert (total.refused.text, total.refused.interval) == ("2.00 %", "0.78 to 5.03")


def test_a_small_cohort_is_not_shown_and_neither_is_one_that_gives_it_away() -> None:
    page = make_service_page(
        figures({"woman 60+": (3, 1), "man 60+": (40, 2), "woman 18-59": (500, 5)}), HOUR, 7, ""
    )
    assert [row.name for row in page.cohorts] == ["woman 18-59"]
    assert page.hidden_cohorts == 2


def test_of_few_people_no_rate_is_told() -> None:
    page = make_service_page(figures({}, **{GIVEN: 9, CLAIMS: 9, WRONGLY_REFUSED: 1}), HOUR, 7, "")
    assert page.total.refused.text == "too few to say"


async def test_the_page_shows_days_sites_and_cohorts_of_what_was_counted(rig: DashboardRig) -> None:
    await rig.change(lambda db: big_fleet.fill(db, 100, hours=50))
    async with rig.browser() as browser:
        html = (await browser.get("/service?days=7")).text
        page = words(html)
        assert re.search(r"2026-01-01 [\d,]+ [\d,]+ \d+\.\d \d\.\d\d % \d\.\d\d to \d\.\d\d", page)
        assert re.search(r"woman 18-59 [\d,]+ \d\.\d\d %", page)
        assert 'href="/service?days=7&amp;site=kakuma-1"' in html
        one = words((await browser.get("/service?days=7&site=kakuma-1")).text)
    assert "Service at kakuma-1" in one
    assert "cohort" not in one  # what is left out of all would be told by one site
    assert html.count("data-plot=") == 2


async def test_a_site_that_nobody_has_and_days_that_are_not_offered_show_an_empty_page(
    rig: DashboardRig,
) -> None:
    async with rig.browser() as browser:
        answer = await browser.get("/service?days=100000&site=%3Cb%3E")
    assert answer.status_code == 200
    assert "Service at <b>" not in answer.text
    assert "Nobody was served in this time" in words(answer.text)
