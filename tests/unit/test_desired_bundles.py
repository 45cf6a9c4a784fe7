"""A bundle is read over a link that breaks and runs dry, while nobody is served, within what it may take."""

from __future__ import annotations

import hashlib
import random

import pytest

from firmware.desired.bundles import Bundles
from firmware.updater import UpdateFailed
from firmware.uplink.artifact_calls import NotOffered
from firmware.uplink.backoff import Backoff
from firmware.uplink.errors import LinkLost
from tests.kit.desired_rig import artifact
from trust.state import ArtifactKind

CONTENT = b"0123456789" * 100
BUNDLE = artifact(ArtifactKind.SOFTWARE, CONTENT, "9.9")


class Link:
    """faults: raised one after the other before any answer. short: the first answer lacks so much."""

    def __init__(self, *faults: Exception, short: int = 0) -> None:
        self.faults = list(faults)
        self.short = short
        self.closed = False

    async def read(self, digest: bytes, offset: int, count: int) -> bytes:
        assert digest == hashlib.sha256(CONTENT).digest()
        if self.faults:
            raise self.faults.pop(0)
        short, self.short = self.short, 0
        return CONTENT[offset : offset + count - short]

    async def close(self) -> None:
        self.closed = True


class Waits:
    def __init__(self) -> None:
        self.slept_s: list[float] = []
        self.asked = 0

    async def sleep(self, wait_s: float) -> None:
        self.slept_s.append(wait_s)

    async def until_free(self) -> None:
        self.asked += 1


def bundles(link: Link, waits: Waits, most_bytes: int = 10_000) -> Bundles:
    backoff = Backoff(random.Random(1))  # noqa: S311 -- the same each time
    return Bundles(link, backoff, most_bytes, waits.until_free, waits.sleep)


async def test_what_is_asked_for_is_read_and_each_time_nobody_may_be_served() -> None:
    link, waits = Link(), Waits()
    async with bundles(link, waits).over_the_link(BUNDLE) as source:
        assert source.size_bytes == 1000
        assert await source.read(10, 20) == CONTENT[10:30]
        assert await source.read(980, 20) == CONTENT[980:]
    assert waits.asked == 2
    assert link.closed


async def test_a_lost_link_and_spent_bytes_of_the_day_only_take_time() -> None:
    spent = LinkLost("the bytes of the site are spent", 1800.0)
    link, waits = Link(LinkLost("gone"), spent, short=5), Waits()
    async with bundles(link, waits).over_the_link(BUNDLE) as source:
        assert await source.read(0, 20) == CONTENT[:20]
    assert 1800.0 in waits.slept_s
    assert len(waits.slept_s) == 3


async def test_more_than_the_update_may_take_is_not_fetched_until_it_is_allowed() -> None:
    link = Link()
    async with bundles(link, Waits(), most_bytes=100).over_the_link(BUNDLE) as source:
        await source.read(0, 60)
        with pytest.raises(UpdateFailed, match=r"desire settings\.updates\.most_mb"):
            await source.read(60, 60)
    async with bundles(link, Waits(), most_bytes=1000).over_the_link(BUNDLE) as source:
        assert await source.read(0, 1000) == CONTENT


async def test_a_file_that_is_offered_no_more_ends_it() -> None:
    async with bundles(Link(NotOffered("no such file")), Waits()).over_the_link(BUNDLE) as source:
        with pytest.raises(UpdateFailed, match="no such file"):
            await source.read(0, 10)
