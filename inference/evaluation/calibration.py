"""Calibration of raw scores to log-likelihood ratios, and what an operating point says about one source."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from inference.evaluation.intervals import upper_bound
from inference.evaluation.measured import MeasuredSet, Scores
from inference.evaluation.metrics import REPORTED_FMR, NotMeasurable, ScoreSet
from inference.operating_point_file import (
    NO_EVIDENCE_LLR,
    Calibration,
    DataSet,
    ImpostorTail,
    Row,
    SourcePoint,
)

STEP_NATS = 0.5
_SLOPE_DEVIATION = 30.0  # of the prior, for scores of standard deviation 1: about 4 times what was measured
_LEAST_DATA = 30  # fewer comparisons of a kind cannot even support LR = 10 (rule of three)


def source_point(
    made_by: str, comparator: str, protocol: str, measured: Sequence[MeasuredSet], note: str = ""
) -> SourcePoint:
    """Calibrate one source on all its data sets and measure its thresholds.

    A threshold does not carry from one sensor to another, so each row takes the highest threshold that the
    pool or any one data set needs for its FMR; and none below 0.
    """
    calibration = calibrate(measured)
    pool, sets = calibrated(measured, calibration)
    rows = []
    unsupported = []
    for fmr in REPORTED_FMR:
        at = pool.at_threshold(_threshold(pool, sets, fmr), fmr)
        if at.supported:
            rows.append(
                Row(
                    fmr=fmr,
                    threshold_llr=at.threshold,
                    fmr_measured=at.fmr_measured,
                    fmr_upper_bound_95=at.fmr_upper_bound_95,
                    fnmr=at.fnmr,
                    fnmr_interval_95=at.fnmr_interval_95,
                    fmr_held_out_worst=_held_out_worst(measured, fmr),
                )
            )
        else:
            unsupported.append(fmr)
    return SourcePoint(
        made_by=made_by,
        comparator=comparator,
        protocol=protocol,
        note=note,
        data_sets=tuple(
            DataSet(one.name, one.identities, one.samples, one.genuine.size, one.impostor.size)
            for one in measured
        ),
        genuine=pool.genuine.size,
        impostor=pool.impostor.size,
        calibration=calibration,
        rows=tuple(rows),
        unsupported_fmr=tuple(unsupported),
        best_of_nats=_best_of_nats(pool),
        impostor_tail=_impostor_tail(pool, sets, calibration),
    )


def calibrate(measured: Sequence[MeasuredSet]) -> Calibration:
    """Fit the calibration of one source on all its data sets. Raises NotMeasurable."""
    genuine = np.concatenate([one.genuine for one in measured])
    impostor = np.concatenate([one.impostor for one in measured])
    if min(genuine.size, impostor.size) < _LEAST_DATA:
        raise NotMeasurable(
            f"an operating point needs at least {_LEAST_DATA} comparisons of each kind, "
            f"not {genuine.size} genuine and {impostor.size} impostor ones"
        )
    slope, intercept = fit_affine(genuine, impostor)
    # No more is claimed than the data support: LR N/3 at most, by the rule of three.
    lower, upper = -math.log(genuine.size / 3), math.log(impostor.size / 3)
    margin = _margin_nats([slope * one.impostor + intercept for one in measured], upper)
    return Calibration(slope, intercept - margin, margin, lower, upper)


def calibrated(measured: Sequence[MeasuredSet], calibration: Calibration) -> tuple[ScoreSet, list[ScoreSet]]:
    """Return the LLRs of all sets together, and those of each set."""
    sets = [ScoreSet(calibration.llrs(one.genuine), calibration.llrs(one.impostor)) for one in measured]
    pool = ScoreSet(
        np.concatenate([one.genuine for one in sets]), np.concatenate([one.impostor for one in sets])
    )
    return pool, sets


def _threshold(pool: ScoreSet, sets: Sequence[ScoreSet], fmr: float) -> float:
    return max(NO_EVIDENCE_LLR, *(one.threshold_at(fmr) for one in (pool, *sets)))


def _held_out_worst(measured: Sequence[MeasuredSet], fmr: float) -> float | None:
    if len(measured) < 2:
        return None
    worst = 0.0
    for held_out in measured:
        rest = [one for one in measured if one is not held_out]
        calibration = calibrate(rest)
        threshold = _threshold(*calibrated(rest, calibration), fmr)
        unseen, _ = calibrated([held_out], calibration)
        worst = max(worst, unseen.false_matches(threshold) / unseen.impostor.size)
    return worst


def fit_affine(genuine: Scores, impostor: Scores) -> tuple[float, float]:
    """Fit LLR = slope * raw + intercept by logistic regression with equal priors.

    The objective is the prior-weighted cross-entropy of Brümmer and du Preez (Computer Speech & Language 20,
    2006), at a prior of 1/2, with a weak normal prior on the slope, so that scores without any overlap do not
    drive it to infinity.
    """
    raw = np.concatenate([genuine, impostor])
    centre, spread = float(np.mean(raw)), float(np.std(raw)) or 1.0
    scaled = (raw - centre) / spread
    is_genuine = np.arange(raw.size) < genuine.size
    weight = np.where(is_genuine, 0.5 / genuine.size, 0.5 / impostor.size)
    penalty = 1.0 / (_SLOPE_DEVIATION**2 * min(genuine.size, impostor.size))

    def loss(slope: float, intercept: float) -> float:
        logit = slope * scaled + intercept
        return float(
            np.sum(weight * (np.logaddexp(0.0, logit) - is_genuine * logit)) + penalty * slope**2 / 2
        )

    slope, intercept = 1.0, 0.0
    current = loss(slope, intercept)
    for _ in range(200):
        probability = 1.0 / (1.0 + np.exp(-np.clip(slope * scaled + intercept, -500.0, 500.0)))
        error = weight * (probability - is_genuine)
        curve = weight * probability * (1.0 - probability)
        gradient = np.array([np.sum(error * scaled) + penalty * slope, np.sum(error)])
        mixed = np.sum(curve * scaled)
        hessian = np.array([[np.sum(curve * scaled**2) + penalty, mixed], [mixed, np.sum(curve)]])
        step = np.linalg.solve(hessian + 1e-12 * np.eye(2), gradient)
        length = 1.0
        while (new := loss(slope - length * step[0], intercept - length * step[1])) > current:
            length /= 2
            if length < 1e-6:
                break
        if current - new < 1e-12:
            break
        slope, intercept, current = slope - length * step[0], intercept - length * step[1], new
    if slope <= 0:
        raise NotMeasurable("genuine scores are no higher than impostor scores: nothing to calibrate")
    return float(slope / spread), float(intercept - slope * centre / spread)


def _margin_nats(impostor_llrs: Sequence[Scores], upper: float) -> float:
    """Return what to take off so that in no data set the mean LR of impostors exceeds 1."""

    def kept(margin: float) -> bool:
        return all(float(np.mean(np.exp(np.minimum(llr - margin, upper)))) <= 1.0 for llr in impostor_llrs)

    low, high = 0.0, upper
    if kept(low):
        return low
    if not kept(high):
        raise NotMeasurable(
            "some impostors score far above most genuine comparisons; look for wrong labels in the data"
        )
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if kept(middle) else (middle, high)
    return high


def _best_of_nats(pool: ScoreSet) -> float:
    """Return how far the threshold must rise for each natural logarithm by which the FMR is to fall, >= 1.

    Taken where the impostor tail falls slowest, between FMR 1 % and the last rate with 10 false matches.
    """
    slowest = 1.0
    fmr, threshold = 0.01, pool.threshold_at(0.01)
    while fmr / 3 * pool.impostor.size >= 10:
        lower_fmr, higher_threshold = fmr / 3, pool.threshold_at(fmr / 3)
        slowest = max(slowest, (higher_threshold - threshold) / math.log(3))
        fmr, threshold = lower_fmr, higher_threshold
    return slowest


def _impostor_tail(pool: ScoreSet, sets: Sequence[ScoreSet], calibration: Calibration) -> ImpostorTail:
    """Bound the impostor tail on a grid: the upper bound of the pool, or the rate of the worst data set."""
    first = math.floor(calibration.lower_llr / STEP_NATS) * STEP_NATS
    steps = math.ceil((calibration.upper_llr - first) / STEP_NATS) + 1
    bounds = []
    for threshold in (first + step * STEP_NATS for step in range(steps)):
        worst = max(one.false_matches(threshold) / one.impostor.size for one in sets)
        bound = max(upper_bound(pool.false_matches(threshold), pool.impostor.size), worst)
        bounds.append(min(_rounded_up(bound), 1.0))
    return ImpostorTail(first, STEP_NATS, tuple(bounds))


def _rounded_up(value: float) -> float:
    """Round up to four significant digits."""
    scale = 10.0 ** (3 - math.floor(math.log10(value)))
    return float(f"{math.ceil(value * scale) / scale:.4g}")
