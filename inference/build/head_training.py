"""Train the perceptrons that make one score of what a finger comparison found. numpy alone, seeded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.float64]

MEMBERS, HIDDEN = 8, 8
STEPS, BATCH = 600, 1024
RATE = 0.02
DECAY = 1e-3
"""Held out, 1e-3 was better than none: three of the four sets are separable, and weights would grow."""
FIRST_MOMENT, SECOND_MOMENT, TINY = 0.9, 0.99, 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Perceptrons with one hidden layer each, whose outputs are averaged.

    inner, inner_bias: shape (MEMBERS, features, HIDDEN) and (MEMBERS, 1, HIDDEN).
    outer, outer_bias: shape (MEMBERS, HIDDEN, 1) and (MEMBERS, 1, 1).
    """

    inner: Numbers
    inner_bias: Numbers
    outer: Numbers
    outer_bias: Numbers

    def members(self, features: Numbers) -> Numbers:
        """Log-odds of each member, shape (comparisons, MEMBERS); features: shape (comparisons, features)."""
        hidden = np.maximum(features @ self.inner + self.inner_bias, 0)
        return (hidden @ self.outer + self.outer_bias)[:, :, 0].T

    def scores(self, features: Numbers) -> Numbers:
        """What the appliance takes as the score, shape (comparisons,)."""
        return np.asarray(self.members(features).mean(axis=1))


def train(features: Numbers, genuine: NDArray[np.bool_], weight: Numbers, seed: int) -> Head:
    """Fit the members, each on comparisons drawn anew by weight, to the log-odds of a genuine one.

    Adam (Kingma and Ba 2015) with a cosine from RATE to 0 over STEPS, on features brought to mean 0 and
    deviation 1; that step is folded into the inner weights.
    """
    mean, spread = features.mean(axis=0), features.std(axis=0) + TINY
    features = (features - mean) / spread
    rng = np.random.default_rng(seed)
    inputs = features.shape[1]
    parts = [
        rng.normal(0, inputs**-0.5, (MEMBERS, inputs, HIDDEN)),
        rng.normal(0, 0.5, (MEMBERS, 1, HIDDEN)),
        rng.normal(0, HIDDEN**-0.5, (MEMBERS, HIDDEN, 1)),
        np.zeros((MEMBERS, 1, 1)),
    ]
    first, second = [np.zeros_like(part) for part in parts], [np.zeros_like(part) for part in parts]
    up_to = np.cumsum(weight / weight.sum())
    for step in range(1, STEPS + 1):
        drawn = np.minimum(np.searchsorted(up_to, rng.random((MEMBERS, BATCH))), len(weight) - 1)
        gradients = _gradients(parts, features[drawn], genuine[drawn][:, :, None])
        rate = RATE * 0.5 * (1 + np.cos(np.pi * step / STEPS))
        for part, gradient, momentum, square in zip(parts, gradients, first, second, strict=True):
            momentum += (1 - FIRST_MOMENT) * (gradient - momentum)
            square += (1 - SECOND_MOMENT) * (gradient**2 - square)
            unbiased = momentum / (1 - FIRST_MOMENT**step)
            part -= rate * unbiased / (np.sqrt(square / (1 - SECOND_MOMENT**step)) + TINY)
    inner, inner_bias, outer, outer_bias = parts
    return Head(inner / spread[:, None], inner_bias - ((mean / spread) @ inner)[:, None], outer, outer_bias)


def _gradients(parts: list[Numbers], features: Numbers, genuine: NDArray[np.bool_]) -> list[Numbers]:
    """Of the mean cross-entropy, with decay on the weights but not on the biases."""
    inner, inner_bias, outer, outer_bias = parts
    hidden = np.maximum(features @ inner + inner_bias, 0)
    error = (1 / (1 + np.exp(-(hidden @ outer + outer_bias))) - genuine) / features.shape[1]
    back = (error @ outer.transpose(0, 2, 1)) * (hidden > 0)
    return [
        features.transpose(0, 2, 1) @ back + DECAY * inner,
        back.sum(axis=1, keepdims=True),
        hidden.transpose(0, 2, 1) @ error + DECAY * outer,
        error.sum(axis=1, keepdims=True),
    ]
