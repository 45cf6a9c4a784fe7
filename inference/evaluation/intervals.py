"""Confidence intervals of error rates.

They take trials as independent; docs/evaluation.md says how far that holds. Counts need not be whole: trials
that repeat each other are counted in part.
"""

from __future__ import annotations

import math

CONFIDENCE = 0.95
_Z_TWO_SIDED_95 = 1.959963984540054


def supports(fmr: float, impostor: float) -> bool:
    """Say whether this many impostor comparisons can support a rate: no false match in 3 / FMR trials."""
    # A hair of tolerance: 3 / 1e-3 is 3000.0000000000005 in binary arithmetic.
    return impostor * fmr >= 3.0 * (1.0 - 1e-9)


def upper_bound(count: float, trials: float) -> float:
    """Return the one-sided 95 % upper bound of a rate: rule of three at 0, else Clopper-Pearson (1934)."""
    if count == 0:
        return min(3.0 / trials, 1.0)
    if count >= trials:
        return 1.0
    # The bound p solves P(X <= count | trials, p) = 5 %, and that is I_{1-p}(trials - count, count + 1).
    low, high = count / trials, 1.0
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        if 1.0 - _incomplete_beta(count + 1, trials - count, middle) > 1.0 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def wilson(count: float, trials: float) -> tuple[float, float]:
    """Return the two-sided 95 % interval of a rate (Wilson, J. Am. Stat. Assoc. 22, 1927)."""
    if trials == 0:
        return 0.0, 1.0
    rate, z2 = count / trials, _Z_TWO_SIDED_95**2
    centre = rate + z2 / (2 * trials)
    spread = _Z_TWO_SIDED_95 * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2))
    scale = 1 + z2 / trials
    low = 0.0 if count == 0 else (centre - spread) / scale
    high = 1.0 if count == trials else (centre + spread) / scale
    return low, high


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22)."""
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _incomplete_beta(b, a, 1.0 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    # Modified Lentz evaluation of 1 / (1 + d1 / (1 + d2 / ...)).
    tiny = 1e-300
    numerator, denominator = 1.0, 0.0
    value = tiny
    term, step = 1.0, 0
    while True:
        denominator = 1.0 / _away_from_zero(1.0 + term * denominator if step else 1.0, tiny)
        numerator = _away_from_zero(1.0 + term / numerator if step else 1.0 / tiny, tiny)
        change = numerator * denominator
        value *= change
        if step and abs(change - 1.0) < 1e-13:
            break
        step += 1
        half = step // 2
        if step % 2:
            term = -(a + half) * (a + b + half) * x / ((a + step - 1) * (a + step))
        else:
            term = half * (b - half) * x / ((a + step - 1) * (a + step))
    return math.exp(log_front) / a * value


def _away_from_zero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
