"""How long to wait before the next connection: full jitter, so that a fleet does not return in step."""

from __future__ import annotations

import random

BASE_S = 1.0
CAP_S = 60.0  # an appliance that comes back into coverage reports within a minute
# A delay told by the aggregator is believed within these bounds: it may be out of order itself.
TOLD_FLOOR_S = 0.1
TOLD_CAP_S = 3600.0


class Backoff:
    """Counts the attempts since the last success."""

    def __init__(self, rng: random.Random, *, base_s: float = BASE_S, cap_s: float = CAP_S) -> None:
        self._rng = rng
        self._base_s = base_s
        self._cap_s = cap_s
        self._attempts = 0

    @property
    def cap_s(self) -> float:
        """The longest delay that it chooses by itself."""
        return self._cap_s

    def next_s(self, told_s: float | None = None) -> float:
        """Return the next delay in seconds: the one that the aggregator told, or a random one.

        The random one is uniform in [0, min(cap, base * 2**attempts)]: the jitter comes after the cap, or all
        appliances would meet again at the cap.
        """
        # 2**32 seconds are beyond every cap, and the power must not grow for ever.
        limit_s = min(self._cap_s, self._base_s * 2 ** min(self._attempts, 32))
        self._attempts += 1
        if told_s is not None:
            return min(max(told_s, TOLD_FLOOR_S), TOLD_CAP_S)
        return self._rng.uniform(0.0, limit_s)

    def reset(self) -> None:
        """Begin anew after a success."""
        self._attempts = 0
