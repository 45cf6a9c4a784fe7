"""Keeps the shared gallery the same at all appliances of a site: fetches, judges, takes over, hands in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from firmware.clock import Clock
from firmware.gallery.resembling import resembling_in
from firmware.session.acquire import InThread
from firmware.session.matching import Matcher
from firmware.store.errors import StoreError
from firmware.store.thread import RunInStore
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Dialler
from firmware.uplink.errors import LinkLost, UplinkError
from firmware.uplink.gallery_calls import NoGallery, connected
from firmware.uplink.gallery_exchange import Exchange, Report, Resembling, SharedSettings, Synced
from firmware.uplink.gallery_fetch import Fetching
from firmware.uplink.gallery_hand_in import hand_in, tell_ahead
from trust.gallery.errors import GalleryError
from trust.gallery.opening import ApplianceKeys

ROUNDS = 8  # of fetching and handing in, while several appliances are at it


class GallerySync:
    """The supervisor. `run` is a task of the composition root; all calls in one event loop.

    report: told of what staff must know, by kind, with None once it is over. in_background: runs what takes
    time, signatures above all, outside the event loop.
    """

    def __init__(
        self,
        settings: SharedSettings,
        dialler: Dialler,
        in_store: RunInStore,
        in_inference: InThread,
        matcher: Matcher,
        keys: ApplianceKeys,
        clock: Clock,
        backoff: Backoff,
        *,
        report: Report,
        resembling: Resembling | None = None,
        in_background: InThread = asyncio.to_thread,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._dialler = dialler
        self._backoff = backoff
        self._sleep = sleep
        self._with = Exchange(
            settings,
            in_store,
            in_inference,
            in_background,
            matcher,
            keys,
            clock,
            report,
            resembling or partial(resembling_in, matcher),
        )
        self._news = asyncio.Event()
        self._alone = asyncio.Lock()
        self._card_published = False

    def notify(self) -> None:
        """Something was registered or erased here."""
        self._news.set()

    async def run(self) -> None:
        """Exchange at once, after each change here, and every period; for ever."""
        log = structlog.get_logger()
        try:
            while True:
                self._news.clear()
                try:
                    done = await self.once()
                except NoGallery as fault:
                    log.info("no gallery to share", reason=str(fault))
                    await self._wait(self._settings.period_s)
                    continue
                except (UplinkError, StoreError) as fault:
                    log.warning("gallery not synchronised", kind=type(fault).__name__, reason=str(fault))
                    told_s = fault.retry_after_s if isinstance(fault, LinkLost) else None
                    await self._sleep(self._backoff.next_s(told_s))
                    continue
                except Exception as fault:  # a bug that one message brings out must not end the sharing
                    log.exception("gallery not synchronised", kind=type(fault).__name__)
                    self._with.report(
                        "failed", f"the gallery could not be synchronised: {type(fault).__name__}"
                    )
                    await self._sleep(self._backoff.next_s(None))
                    continue
                self._with.report("failed", None)
                self._backoff.reset()
                if done.added or done.removed or done.pushed:
                    log.info("gallery synchronised", added=done.added, removed=done.removed, told=done.pushed)
                await self._wait(self._settings.period_s)
        finally:
            self._with.keyring.close()

    async def once(self) -> Synced:
        """Fetch and hand in until there is nothing left. Raises UplinkError and StoreError.

        What is refused is reported, not raised: the gallery goes on as it was.
        """
        async with self._alone, connected(self._dialler) as calls:
            self._with.done = Synced()
            if not self._card_published:
                await calls.publish_card(self._settings.card)
                self._card_published = True
            try:
                for _ in range(ROUNDS):
                    fetched = await Fetching(self._with, calls).run()
                    if not fetched or not await hand_in(self._with, calls):
                        break
            except GalleryError as refused:
                self._with.report("refused", str(refused))
                structlog.get_logger().error(
                    "gallery refused", kind=type(refused).__name__, reason=str(refused)
                )
                await tell_ahead(self._with, calls)
            else:
                self._with.report("refused", None)
            return self._with.done

    async def _wait(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            pass
