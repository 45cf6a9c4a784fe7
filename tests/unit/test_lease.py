"""The lease is counted in uptime and boots; no clock that somebody sets makes it longer."""

from __future__ import annotations

import pytest

from firmware import lease
from firmware.lease import LeaseLimits, LeaseState
from tests.kit.store_values import HOUR_NS, moment

LIMITS = LeaseLimits(uptime_ns=10 * HOUR_NS, boots=5)


@pytest.mark.parametrize(
    ("hours", "boot", "state"),
    [
        (7.9, 1, LeaseState.RUNNING),
        (8.0, 1, LeaseState.LAPSING),
        (9.9, 1, LeaseState.LAPSING),
        (10.0, 1, LeaseState.LAPSED),
        (1.0, 2, LeaseState.RUNNING),
        (10.0, 2, LeaseState.LAPSED),
    ],
)
def test_uptime_uses_the_lease_up(hours: float, boot: int, state: LeaseState) -> None:
    use = lease.used(lease.renewed(moment()), moment(hours, boot=boot))
    assert lease.state(use, LIMITS) is state


def test_boots_use_the_lease_up_however_short_they_are() -> None:
    use = lease.renewed(moment())
    states = []
    for boot in range(2, 7):
        use = lease.used(use, moment(0.01, boot=boot))
        use = lease.used(use, moment(0.02, boot=boot))
        states.append(lease.state(use, LIMITS))
    assert states == [LeaseState.RUNNING] * 3 + [LeaseState.LAPSING, LeaseState.LAPSED]
    assert lease.left(use, LIMITS) == "0.4 days of uptime and 0 boots"


def test_the_wall_clock_counts_for_nothing() -> None:
    before = lease.renewed(moment(wall_hour=500_000))
    assert lease.used(before, moment(1, wall_hour=0)) == lease.used(before, moment(1, wall_hour=900_000))


def test_contact_begins_it_anew() -> None:
    use = lease.used(lease.renewed(moment()), moment(9))
    assert lease.state(use, LIMITS) is LeaseState.LAPSING
    assert lease.state(lease.used(lease.renewed(moment(9)), moment(10)), LIMITS) is LeaseState.RUNNING
