"""Rates in two periods, their difference and the difference of two differences, with 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

_Z_TWO_SIDED_95 = 1.959963984540054


class Part(msgspec.Struct, frozen=True):
    """So many of so many; not whole where counts were divided."""

    count: float = 0
    of: float = 0

    @property
    def rate(self) -> float:
        """Return the share; of must not be 0."""
        return self.count / self.of

    def __add__(self, other: Part) -> Part:
        return Part(self.count + other.count, self.of + other.of)

    def __sub__(self, other: Part) -> Part:
        return Part(self.count - other.count, self.of - other.of)

    def divided(self, by: float) -> Part:
        """Return the same share of fewer."""
        return Part(self.count / by, self.of / by)


class Periods(msgspec.Struct, frozen=True):
    """One rate in two periods."""

    before: Part = Part()
    after: Part = Part()

    def __add__(self, other: Periods) -> Periods:
        return Periods(self.before + other.before, self.after + other.after)

    def __sub__(self, other: Periods) -> Periods:
        return Periods(self.before - other.before, self.after - other.after)

    def divided(self, by: float) -> Periods:
        """Return the same shares of fewer."""
        return Periods(self.before.divided(by), self.after.divided(by))


class Difference(msgspec.Struct, frozen=True):
    """A difference of rates and its 95 % interval, each from -1 to 1."""

    value: float
    low: float
    high: float


def wilson(part: Part) -> tuple[float, float]:
    """Return the two-sided 95 % interval of a rate (Wilson, J. Am. Stat. Assoc. 22, 1927)."""
    if part.of <= 0:
        return 0.0, 1.0
    rate, z2 = part.rate, _Z_TWO_SIDED_95**2
    centre = rate + z2 / (2 * part.of)
    spread = _Z_TWO_SIDED_95 * math.sqrt(max(rate * (1 - rate), 0) / part.of + z2 / (4 * part.of**2))
    scale = 1 + z2 / part.of
    return max((centre - spread) / scale, 0.0), min((centre + spread) / scale, 1.0)


def newcombe(periods: Periods) -> Difference:
    """Return after less before (Newcombe, Stat. Med. 17, 1998, method 10); both need check-ins."""
    (low_before, high_before), (low_after, high_after) = wilson(periods.before), wilson(periods.after)
    before, after = periods.before.rate, periods.after.rate
    value = after - before
    return Difference(
        value,
        value - math.hypot(after - low_after, high_before - before),
        value + math.hypot(high_after - after, before - low_before),
    )


def beyond(changed: Difference, unchanged: Difference) -> Difference:
    """Return how much more one rose than the other (Zou and Donner, Stat. Med. 27, 2008: MOVER)."""
    value = changed.value - unchanged.value
    return Difference(
        value,
        value - math.hypot(changed.value - changed.low, unchanged.high - unchanged.value),
        value + math.hypot(changed.high - changed.value, unchanged.value - unchanged.low),
    )


def total(periods: Iterable[Periods]) -> Periods:
    """Return the sum."""
    found = Periods()
    for each in periods:
        found += each
    return found
