"""Log a refusal once, not each time: who knocks without end shall not fill the disk with it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

AGAIN_AFTER_S = 3600.0
MAX_KNOWN = 1024
"""So many pairs of peer and reason are remembered; with more, the oldest is forgotten and logged anew."""
MAX_PEER_TEXT = 120


class Log(Protocol):
    """What takes the entries, such as a logger of structlog."""

    def warning(self, event: str, **fields: object) -> object:
        """Take one entry."""


class Refusals:
    """Notes refusals; the first of each peer and reason is logged, and again after an hour with the count."""

    def __init__(self, log: Log, monotonic_s: Callable[[], float]) -> None:
        self._log = log
        self._monotonic_s = monotonic_s
        self._known: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def note(self, who: str, why: str, **fields: str) -> None:
        """Note that somebody was refused; fields: what else the log's entry shall hold."""
        who, why = clean(who), clean(why)
        now_s = self._monotonic_s()
        logged_s, unlogged = self._known.pop((who, why), (float("-inf"), 0))
        if now_s - logged_s < AGAIN_AFTER_S:
            self._known[who, why] = (logged_s, unlogged + 1)
            return
        self._known[who, why] = (now_s, 0)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        before = {"not_logged_before": unlogged} if unlogged else {}
        self._log.warning("link.refused", who=who, why=why, **fields, **before)


def clean(peer_text: str) -> str:
    """Return what a peer wrote, safe to log: printable characters only, and not many."""
    kept = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in peer_text
    )
    return kept if len(kept) <= MAX_PEER_TEXT else kept[: MAX_PEER_TEXT - 1] + "…"
