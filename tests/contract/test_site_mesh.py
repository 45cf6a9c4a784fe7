"""Three appliances serve one list without an uplink: nobody collects twice while they reach each other."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from firmware.workflow.outcomes import AlreadyGiven, ClaimedElsewhere, Granted, OwnerSilent
from tests.kit.site_rig import ROSTER, site_of_three


async def test_nobody_collects_twice_at_any_of_three_desks(tmp_path: Path) -> None:
    rng = random.Random(5)  # noqa: S311
    async with site_of_three(tmp_path, households=300) as rig:
        numbers = [each.number for each in rig.planned.households]
        queue = [*numbers, *rng.sample(numbers, 60)]
        rng.shuffle(queue)
        for number in queue:
            standing = await rig.posts[rng.choice(ROSTER)].serve(number)
            assert isinstance(standing, Granted | AlreadyGiven)
        assert Counter(rig.served()) == Counter(numbers)
        assert await rig.conflicts() == []
        assert all(post.site.connected().worst_case == 0 for post in rig.posts.values())


async def test_a_claim_holds_at_all_desks_until_it_is_given_back(tmp_path: Path) -> None:
    async with site_of_three(tmp_path) as rig:
        (number, *_), (one, two, three) = rig.owned_by("dev-3"), rig.posts.values()
        assert await one.site.claim(number, 120) == Granted()
        for other in (two, three):
            assert await other.site.claim(number, 120) == ClaimedElsewhere(122.0, "dev-1")
        three.now_ns += 100_000_000_000
        assert await two.site.claim(number, 120) == ClaimedElsewhere(22.0, "dev-1")
        assert await one.site.claim(number, 60) == Granted(), "renewed"
        await one.site.release(number)
        assert await two.site.claim(number, 120) == Granted()
        three.now_ns += 122_000_000_000
        assert await three.site.claim(number, 120) == Granted()


async def test_an_owner_that_restarts_between_claim_and_given_keeps_both(tmp_path: Path) -> None:
    async with site_of_three(tmp_path) as rig:
        (number, *_), (one, two, three) = rig.owned_by("dev-3"), rig.posts.values()
        assert await one.site.claim(number, 120) == Granted()
        await three.restart()
        await rig.met()
        assert await two.site.claim(number, 120) == ClaimedElsewhere(117.0, "dev-1")
        await one.hand_over(number)
        await one.restart()
        await three.restart()
        await rig.met()
        for post in (one, two, three):
            assert await post.serve(number) == AlreadyGiven(None, "dev-1")
        assert rig.served() == [number]


async def test_nobody_waits_for_an_owner_whose_answers_disappear(tmp_path: Path) -> None:
    async with site_of_three(tmp_path) as rig:
        one = rig.posts["dev-1"]
        one.answer_s = 0.05
        await one.restart()
        await rig.met()
        one.cables["dev-3"].stalled = True
        assert one.site.reached == {"dev-2", "dev-3"}, "no packet said that it is gone"
        assert await one.site.claim(rig.owned_by("dev-3")[0], 60) == OwnerSilent("dev-3")


async def test_without_its_owner_a_household_is_served_once_at_the_desks_that_reach_each_other(
    tmp_path: Path,
) -> None:
    async with site_of_three(tmp_path, loss_cap=3) as rig:
        one, two, three = rig.posts.values()
        numbers = rig.owned_by("dev-3")[:8]
        assert isinstance(await three.serve(numbers[7]), Granted)
        await three.stop()
        await rig.until(lambda: not one.site.connected().site and not two.site.connected().site)
        for number in numbers[:3]:
            assert await one.serve(number) == OwnerSilent("dev-3")
            assert isinstance(await two.serve(number), AlreadyGiven), "who stands in for the owner knows"
        assert isinstance(await one.serve(numbers[7]), AlreadyGiven), "the owner told who stands in for it"
        assert (one.site.connected().worst_case, two.site.connected().worst_case) == (3, 0)
        # The cap is reached: this desk stops serving what it does not own, and goes on with what it does.
        assert await one.serve(numbers[3]) == OwnerSilent("dev-3")
        assert numbers[3] not in one.served
        assert await one.serve(rig.owned_by("dev-1")[0]) == Granted()
        assert await two.serve(numbers[3]) == OwnerSilent("dev-3")
        await three.start()
        await rig.met()
        assert len(three.served) + len(one.served) + len(two.served) == len(set(rig.served()))
        assert isinstance(await three.serve(numbers[0]), AlreadyGiven)
        assert await rig.conflicts() == []


async def test_after_a_partition_each_second_hand_over_is_reported_once_and_nobody_is_denied(
    tmp_path: Path,
) -> None:
    async with site_of_three(tmp_path, loss_cap=4) as rig:
        one, two, three = rig.posts.values()
        await rig.part("dev-3")
        both = [*rig.owned_by("dev-3")[:3], *rig.owned_by("dev-1")[:2]]
        for number in both:
            await one.serve(number)
            await three.serve(number)
        assert Counter(rig.served()) == dict.fromkeys(both, 2)
        assert (one.site.connected().worst_case, three.site.connected().worst_case) == (3, 2)
        await rig.heal()
        found = await rig.conflicts()
        assert Counter(one.household for one in found) == Counter(
            one.site.cycle.household(number) for number in both if one.site.cycle
        )
        for conflict in found:
            assert {conflict.first.device_id, conflict.second.device_id} == {"dev-1", "dev-3"}
        assert await two.conflicts() == []
        await rig.part("dev-1")
        await rig.heal()
        assert len(await rig.conflicts()) == len(both), "what is told twice is reported once"
        for post in (one, two, three):
            assert isinstance(await post.serve(both[0]), AlreadyGiven)
