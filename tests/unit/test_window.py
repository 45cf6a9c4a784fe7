"""The credit of the aggregator holds the appliance back."""

from __future__ import annotations

from firmware.uplink.codec import Credit
from firmware.uplink.window import Sent, Window


def test_no_more_is_under_way_than_the_newest_credit_allows() -> None:
    window = Window(max_batches=3)
    assert window.room_events(100) == 100
    window.grant(Credit(events=150, bytes=1000))
    window.send(Sent(100, 100, 600, at_ns=1))
    assert window.room_events(100) == 50
    assert window.fits(400)
    assert not window.fits(401)
    window.send(Sent(150, 50, 400, at_ns=2))
    assert window.room_events(100) == 0
    window.grant(Credit(events=10, bytes=1000))
    assert window.acknowledge(120) == Sent(100, 100, 600, at_ns=1)
    assert window.room_events(100) == 0
    assert window.acknowledge(150) == Sent(150, 50, 400, at_ns=2)
    assert window.is_empty
    assert window.room_events(100) == 10


def test_the_number_of_batches_is_the_appliances_own_limit() -> None:
    window = Window(max_batches=1)
    window.send(Sent(1, 1, 50, at_ns=1))
    assert window.room_events(100) == 0
    assert window.acknowledge(0) is None
    window.acknowledge(1)
    assert window.room_events(100) == 100
