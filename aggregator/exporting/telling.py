"""Tells results to the hooks that the export policy names: some at a time, each once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import msgspec
from structlog.typing import FilteringBoundLogger

from aggregator.exporting.policy import ExportPolicy, ExportRefused, in_force
from aggregator.exporting.rows import Pseudonyms, row
from aggregator.fleet.hooks import Hook
from aggregator.store import hooks, result_telling
from aggregator.store.errors import StoreError
from aggregator.store.exporting import read_after
from aggregator.store.port import Database
from aggregator.store.writer import StoreWriter

TURN_S = 10.0
ROWS_AT_ONCE = 500  # some 150 kB, and 10 ms in which others wait for their commit


class ResultTeller:
    """policy: None where nothing goes out. key: of pseudonyms, 32 bytes. told: when something waits."""

    def __init__(
        self,
        store: StoreWriter,
        policy: ExportPolicy | None,
        key: bytes,
        wall_ns: Callable[[], int],
        told: Callable[[], None],
        log: FilteringBoundLogger,
    ) -> None:
        self._store = store
        self._policy = policy
        self._key = key
        self._wall_ns = wall_ns
        self._told = told
        self._log = log

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            try:
                while await self.turn():
                    pass
            except StoreError as error:
                self._log.warning("results.not_told", kind=type(error).__name__, why=str(error))
            await asyncio.sleep(TURN_S)

    async def turn(self) -> int:
        """Let each hook be told its next rows; returns how many deliveries that made. Raises StoreError."""
        now_ns = self._wall_ns()
        wanting = await self._store.submit(_wanting)
        made = 0
        for hook in wanting:
            made += await self._store.submit(partial(self._tell, hook=hook, now_ns=now_ns))
        if made:
            self._told()
        return made

    def _tell(self, db: Database, hook: Hook, now_ns: int) -> int:
        try:
            recipient = in_force(self._policy).recipient(hook.name)
            recipient.check("webhook", datetime.fromtimestamp(now_ns / 1e9, UTC).date().isoformat())
            sites = recipient.allowed_sites(hook.sites)
        except ExportRefused as refused:
            result_telling.refuse(db, hook.name, str(refused))
            return 0
        if (after := result_telling.place(db, hook.name)) is None:
            return 0
        found, upto = read_after(db, after, kinds=recipient.kinds, sites=sites, limit=ROWS_AT_ONCE)
        if upto == after:
            return 0
        names = Pseudonyms(self._key, recipient.name)
        rows = [row(each, recipient.columns, names) for each in found]
        subject = f"{len(rows)} results"
        text = f"{subject} for {recipient.name}"
        body = msgspec.json.encode({"type": "results", "text": text, "rows": rows}).decode() if rows else ""
        result_telling.tell(db, hook.name, subject, body, upto, now_ns)
        return 1 if rows else 0


def _wanting(db: Database) -> list[Hook]:
    result_telling.begin(db)
    return [hook for hook in hooks.read(db) if hook.results and not hook.disabled]
