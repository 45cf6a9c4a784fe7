"""Erases entries whose time is over by the site's data policy; the appliance's housekeeping asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import structlog

from firmware.clock import Clock
from firmware.config import Config
from firmware.policy import DataPolicy, PolicyRefused, read_signed, rule_for
from firmware.records import Moment
from firmware.session.acquire import InThread
from firmware.session.matching import Matcher
from firmware.store.store import Store
from firmware.store.thread import RunInStore

DAY_NS = 24 * 3600 * 1_000_000_000
log = structlog.get_logger()


class Retention:
    """One appliance's retention. gallery_changed: told of erasures, for who shares the gallery."""

    def __init__(
        self,
        policy: DataPolicy,
        retention_days: int,
        in_store: RunInStore,
        in_inference: InThread,
        matcher: Matcher,
        clock: Clock,
        gallery_changed: Callable[[], None],
    ) -> None:
        self._policy = policy
        self._most_ns = retention_days * DAY_NS
        self._in_store = in_store
        self._in_inference = in_inference
        self._matcher = matcher
        self._clock = clock
        self._gallery_changed = gallery_changed

    async def begin(self) -> None:
        """Note the policy that is in force. Raises PolicyWentBack."""
        await self._in_store(lambda store: store.ages.note_policy(self._policy.edition))

    async def expire(self) -> int:
        """Erase what is due; returns how many entries that were. Raises StoreError."""
        now = self._clock.now()
        ages = await self._in_store(lambda store: store.ages.count(now))
        due = [entry_id for entry_id, age_ns in ages.items() if age_ns >= self._most_ns]
        for entry_id in due:
            # First from memory: whatever happens to the store, nobody is matched with this entry any more.
            await self._in_inference(partial(self._matcher.remove, entry_id))
        if due:
            await self._in_store(partial(_remove, now, due))
            log.info("entries expired", entries=len(due))
            self._gallery_changed()
        return len(due)


def read_policy(config: Config) -> tuple[DataPolicy, int] | None:
    """Return the policy and the days that an entry is kept, None without one. Raises PolicyRefused."""
    if config.retention is None:
        return None
    policy = read_signed(config.retention.policy, config.issuer.trusted())
    rule = rule_for(policy, config.device.site, config.device.purpose)
    for rate, most in (("fmr", rule.most_fmr), ("fpir", rule.most_fpir)):
        if most is not None and (set_to := getattr(config.policy, rate)) > most:
            raise PolicyRefused(
                f"[policy] {rate} is {set_to:g}, and the site's data policy allows {most:g}: set it lower"
            )
    return policy, rule.retention_days


def _remove(moment: Moment, entry_ids: Sequence[bytes], store: Store) -> None:
    store.gallery.remove_all(moment, entry_ids, "reference expired")
