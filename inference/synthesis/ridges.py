"""How the ridges of a synthetic finger grow: from seeds, under a Gabor filter that turns with them."""

from __future__ import annotations

import cv2
import numpy as np

from inference.synthesis.pattern import Field

MEAN_PERIOD_PX = 9.0  # SFinGe's own average for adults at 500 ppi

# 20 rounds close the last gap between 120 seeds. More seeds make more minutiae: with 120, LEADER finds a
# median of 40 in 256x288 pixels and 24 in 192x192; real prints of three readers have 25 to 36 and 19 to 21.
ITERATIONS = 20
SEEDS = 120
GAIN = 5.0

_ALONG_TAPS_PX = np.arange(-4, 5, dtype=np.float32) * 2
_ALONG_SIGMA_PX = 4.0
_ACROSS_TAPS_PERIODS = np.arange(-6, 7, dtype=np.float32) / 6
_ACROSS_SIGMA_PERIODS = 0.45


def draw_period(rng: np.random.Generator, width: int, height: int) -> Field:
    """Distance between ridges in pixels, slowly varying; shape (height, width), float32."""
    mean = MEAN_PERIOD_PX * float(np.clip(rng.normal(1.0, 0.06), 0.88, 1.12))
    # Below the pattern, towards the crease, ridges lie farther apart than at the tip.
    descent = np.linspace(-0.04, 0.06, height, dtype=np.float32)[:, None]
    return np.asarray(mean * (1 + descent + 0.09 * smooth_noise(rng, width, height, 45)), np.float32)


def smooth_noise(rng: np.random.Generator, width: int, height: int, scale_px: float) -> Field:
    """Noise of mean 0 and standard deviation 1, detail of about `scale_px`; (height, width), float32."""
    # Drawn on a coarse grid and enlarged: a wide blur of the whole field would cost 20 times as much.
    step = max(1.0, scale_px / 3)
    grid = rng.standard_normal((round(height / step) + 8, round(width / step) + 8)).astype(np.float32)
    coarse = cv2.GaussianBlur(grid, (0, 0), scale_px / step / 2)[2:-2, 2:-2]
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), np.float32)


def grow_ridges(rng: np.random.Generator, orientation: Field, period_px: Field) -> Field:
    """Ridges along `orientation` at `period_px`: -1 in a valley to 1 on a ridge; (height, width) float32.

    As in SFinGe a Gabor filter, turned and scaled to each pixel, is applied over and over, and minutiae
    appear by themselves where ridges that grew from different seeds meet. It is applied in each pixel's own
    frame, first along the ridge and then across it: 22 samplings a pixel instead of 600 products.
    """
    height, width = orientation.shape
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    along_x, along_y = np.cos(orientation), -np.sin(orientation)
    image = _sow(rng, height, width)
    for _ in range(ITERATIONS):
        # The gain makes weak new ridges as strong as old ones; the limit keeps old ones from running away.
        image = np.tanh(GAIN * _gabor(image, xs, ys, along_x, along_y, period_px))
    return np.asarray(image, np.float32)


def _sow(rng: np.random.Generator, height: int, width: int) -> Field:
    image = np.zeros((height, width), np.float32)
    for x, y in rng.uniform((0, 0), (width, height), (SEEDS, 2)):
        cv2.circle(image, (int(x), int(y)), 3, 1.0, -1)
    return image


def _gabor(image: Field, xs: Field, ys: Field, along_x: Field, along_y: Field, period_px: Field) -> Field:
    smooth = np.zeros_like(image)
    weights = np.exp(-0.5 * (_ALONG_TAPS_PX / _ALONG_SIGMA_PX) ** 2)
    for offset, weight in zip(_ALONG_TAPS_PX, weights / weights.sum(), strict=True):
        smooth += weight * _sample(image, xs + offset * along_x, ys + offset * along_y)
    envelope = np.exp(-0.5 * (_ACROSS_TAPS_PERIODS / _ACROSS_SIGMA_PERIODS) ** 2)
    wave = np.cos(2 * np.pi * _ACROSS_TAPS_PERIODS)
    kernel = envelope * (wave - (envelope * wave).sum() / envelope.sum())  # no answer to an even tone
    out = np.zeros_like(image)
    across_x, across_y = -along_y * period_px, along_x * period_px
    for offset, weight in zip(_ACROSS_TAPS_PERIODS, kernel / np.abs(kernel).sum(), strict=True):
        out += weight * _sample(smooth, xs + offset * across_x, ys + offset * across_y)
    return out


def _sample(image: Field, xs: Field, ys: Field) -> Field:
    sampled = cv2.remap(image, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(sampled, np.float32)
