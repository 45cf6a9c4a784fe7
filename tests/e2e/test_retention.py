"""A whole appliance under a signed data policy: it erases by itself, and serves no other purpose."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from firmware import policy
from firmware.clock import Clock
from firmware.config import Issuer, Retention
from firmware.policy import PolicyRefused
from tests.kit.line import line
from tests.kit.real_people import RealPeople
from trust.consent import Purpose
from trust.issuer import IssuerKey

POLICY = """
format = "aidpost policy 1"
edition = 1
site = "test"
controller = "the clinic"
[[purposes]]
name = "clinic check-in"
basis = "consent"
why = "to know returning patients"
retention_days = 30
"""
DAY_NS = 24 * 3600 * 1_000_000_000


async def test_who_was_registered_is_erased_after_the_policy_s_days(
    tmp_path: Path, shared_data: Path
) -> None:
    actors, key, file = RealPeople(shared_data), IssuerKey.new(), tmp_path / "policy.toml"
    file.write_text(POLICY)
    policy.sign(file, key)
    kept, issuer = Retention(policy=file), Issuer(keys=(key.public.hex(),))
    boot = b"one boot of all."
    async with line(tmp_path, actors, clock=Clock(boot), retention=kept, issuer=issuer) as desk:
        await desk.register(actors.people[0])
    async with line(tmp_path, actors, clock=Clock(boot), retention=kept, issuer=issuer) as desk:
        assert desk.appliance.matcher.size == 1  # counted from here on
    later = Clock(boot, lambda: time.monotonic_ns() + 31 * DAY_NS)
    async with line(tmp_path, actors, clock=later, retention=kept, issuer=issuer) as desk:
        assert desk.appliance.matcher.size == 0
        counts = await desk.appliance.store.run(lambda store: store.counts())
        assert counts.references == 0
        trail = await desk.appliance.store.run(lambda store: store.verify_audit())
        assert isinstance(trail, int)
    file.write_text(POLICY.replace("clinic check-in", Purpose.DISTRIBUTION.value))
    policy.sign(file, key)
    with pytest.raises(PolicyRefused, match="serves nobody for it"):
        async with line(tmp_path, actors, retention=kept, issuer=issuer):
            pass
