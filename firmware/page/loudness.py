"""Equally loud prompts: loudness as ITU-R BS.1770-4 measures it, and the gain that it asks for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TARGET_LUFS = -20.0
"""Speech in a room with people; the volume itself is set on the appliance or tablet."""
PEAK = 10 ** (-1 / 20)
"""No sample above -1 dBFS, so that packing does not clip."""
_KNEE = 0.5
"""Above half of full scale peaks are rounded: espeak-ng's Ukrainian has peaks 22 dB above its loudness."""
_BLOCK_S, _STEP_S = 0.4, 0.1
_ABSOLUTE_GATE_LUFS, _RELATIVE_GATE_LU = -70.0, -10.0


def loudness_lufs(samples: NDArray[np.float32], rate_hz: int) -> float:
    """Return the gated loudness of mono samples, shape (n,), -1 to 1; a clip under 0.4 s is one block."""
    weighted = _k_weighted(samples, rate_hz)
    block, step = round(_BLOCK_S * rate_hz), round(_STEP_S * rate_hz)
    starts = range(0, max(1, weighted.size - block + 1), step)
    powers = np.array([np.mean(weighted[start : start + block] ** 2) for start in starts])
    loud = powers[_lufs(powers) > _ABSOLUTE_GATE_LUFS]
    if loud.size == 0:
        return -np.inf
    kept = loud[_lufs(loud) > _lufs(loud.mean()) + _RELATIVE_GATE_LU]
    return float(_lufs(kept.mean()))


def levelled(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """Return the samples at TARGET_LUFS, their highest peaks rounded below PEAK; silence stays as it is."""
    loudness = loudness_lufs(samples, rate_hz)
    if not np.isfinite(loudness):
        return samples
    loud = samples * 10 ** ((TARGET_LUFS - loudness) / 20)
    size, room = np.abs(loud), PEAK - _KNEE
    rounded = np.sign(loud) * (_KNEE + room * np.tanh((size - _KNEE) / room))
    return np.where(size > _KNEE, rounded, loud).astype(np.float32)


def _lufs(power: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    return np.asarray(-0.691 + 10 * np.log10(np.maximum(power, 1e-12)))


def _k_weighted(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float64]:
    """Filter in the frequency domain: the shelf for the head, then the high pass, for any sample rate.

    The constants are those from which the coefficients of BS.1770-4 for 48 kHz follow.
    """
    size = 2 * max(samples.size, rate_hz)
    back = np.exp(-2j * np.pi * np.fft.rfftfreq(size))
    k, q = np.tan(np.pi * 1681.974450955533 / rate_hz), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    shelf = (
        (high + band * k / q + k**2) + 2 * (k**2 - high) * back + (high - band * k / q + k**2) * back**2
    ) / ((1 + k / q + k**2) + 2 * (k**2 - 1) * back + (1 - k / q + k**2) * back**2)
    k, q = np.tan(np.pi * 38.13547087602444 / rate_hz), 0.5003270373238773
    high_pass = (1 - back) ** 2 / (
        1 + (2 * (k**2 - 1) * back + (1 - k / q + k**2) * back**2) / (1 + k / q + k**2)
    )
    spectrum = np.fft.rfft(samples, size) * shelf * high_pass
    return np.asarray(np.fft.irfft(spectrum, size)[: samples.size])
