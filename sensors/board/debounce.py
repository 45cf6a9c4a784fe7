"""Tells a press of a button from the chatter of its contact. It reads no clock."""

from __future__ import annotations

SETTLE_S = 0.05  # tactile switches chatter for up to 10 ms, worn ones for more; nobody presses this often


class Debouncer:
    """For one button: a press counts when the contact was quiet for `settle_s` before it."""

    def __init__(self, settle_s: float = SETTLE_S) -> None:
        self._settle_s = settle_s
        self._last_edge_s: float | None = None

    def is_press(self, is_closed: bool, now_s: float) -> bool:
        """Take an edge of the contact, in the order of time, and tell whether it is a press."""
        was_quiet = self._last_edge_s is None or now_s - self._last_edge_s >= self._settle_s
        self._last_edge_s = now_s
        return is_closed and was_quiet
