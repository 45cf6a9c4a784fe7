"""LEADER's network, written anew for TFLite: the same function with a third fewer operations.

Cappelli, "LEADER", network and weights of pyfing (MIT). Exact identities used here, none of them an
approximation:

* A layer normalisation after a linear layer: its centring and its gain go into that layer's weights, and the
  variance is one 1x1 convolution of the squares. Twelve operations become six.
* Two linear 1x1 layers in a row become one where that is cheaper (the heads: 208 -> 52 -> 6 -> 4 channels).
* What works pixel by pixel commutes with nearest-neighbour upsampling, so the heads stay at half size, and
  their last 5x5 convolution becomes a 3x3 one with an output for each pixel of the 2x2 block.
* No operation holds an image size, so one file serves each size that is a multiple of `SIZE_MULTIPLE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import h5py  # type: ignore[import-not-found,import-untyped,unused-ignore]
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

SIZE_MULTIPLE = 32
"""The network halves its input five times."""

EPSILON = 1e-3
"""Keras' default for layer normalisation, which LEADER was trained with."""

LEAST_GAIN = 1e-3

Weights: TypeAlias = Mapping[str, list[NDArray[np.float64]]]
Array: TypeAlias = NDArray[np.float64]
Tensor: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Linear:
    """A 1x1 convolution: matrix of shape (channels in, channels out), bias of shape (channels out,)."""

    matrix: Array
    bias: Array

    def then(self, after: Linear) -> Linear:
        """Both layers as one."""
        return Linear(self.matrix @ after.matrix, self.bias @ after.matrix + after.bias)


def read_weights(path: Path) -> Weights:
    """Layer name to its arrays, from a Keras 3 weights file."""
    weights: dict[str, list[Array]] = {}
    with h5py.File(path) as file:
        for layer in file["layers"].values():
            variables = layer["vars"]
            if len(variables):
                arrays = [np.asarray(variables[str(index)], np.float64) for index in range(len(variables))]
                weights[variables.attrs["name"]] = arrays
    return weights


class LeaderGraph:
    """The network on a batch of one image; `maps` is what the TFLite file computes."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def maps(self, image: Tensor) -> dict[str, Tensor]:
        """Map image, shape (1, height, width, 1), 0 to 255, to the heads, each shape (1, height, width, n).

        pos: 0 to 1, that a minutia is there. dir: its direction as (cosine, sine) of any length.
        typ: 0 to 1, that it is a ridge ending.
        """
        context, detail = self._stem(image)
        context = self._context(context)
        rates = (1, 3, 6)
        gates = [tf.nn.gelu(self._conv(context, f"attention_conv_d{rate}", rate)) for rate in rates]
        gate = tf.sigmoid(_linear(tf.concat(gates, -1), self._linear("attention_s")))
        refined = self._refinement(tf.concat([context * gate, detail], -1))
        return self._heads(refined)

    def _stem(self, image: Tensor) -> tuple[Tensor, Tensor]:
        # XNNPACK keeps a pointer for each tap of each output pixel: on the image itself the four convolutions
        # take 59 MB of them at 288x256, on its 2x2 blocks 10 MB.
        blocks = tf.nn.space_to_depth(image, 2)
        context = tf.nn.max_pool2d(self._stem_branch(blocks, "stem0"), 2, 2, "SAME")
        return context, tf.nn.avg_pool2d(self._stem_branch(blocks, "stem1"), 2, 2, "SAME")

    def _stem_branch(self, blocks: Tensor, name: str) -> Tensor:
        gain, offset = self._norm(name)
        near, bias = self._weights[f"{name}_conv"]
        far, far_bias = self._weights[f"{name}_dilated_conv"]
        near_centring, far_centring = np.split(_centring(len(gain)) * gain, [len(bias)])
        x = tf.nn.conv2d(blocks, _constant(_on_blocks(near @ near_centring)), 1, "SAME")
        # Every second pixel is the same pixel of each block: the dilated kernel sees one channel at a time.
        far = np.tile(far @ far_centring, (1, 1, 4, 1))
        x = x + tf.nn.depthwise_conv2d(blocks, _constant(far), (1, 1, 1, 1), "SAME")
        x = x + _constant(np.tile(bias @ near_centring + far_bias @ far_centring, 4))
        x = tf.nn.depth_to_space(x, 2)
        return tf.nn.gelu(_normalise(x, gain) + _constant(offset))

    def _context(self, x: Tensor) -> Tensor:
        skipped = []
        for level in range(4):
            x = self._separable(x, f"enc0_{level}")
            skipped.append(x)
            x = _halve(x)
        for level in reversed(range(4)):
            x = tf.concat([_double(self._separable(x, f"dec0_{level}")), skipped[level]], -1)
        return x

    def _refinement(self, x: Tensor) -> Tensor:
        skipped = []
        for level in range(4):
            x = self._bottleneck(x, f"enc1_{level}", self._linear(f"enc1_{level}_conv_adj"))
            skipped.append(x)
            x = _halve(x)
        for level in reversed(range(4)):
            x = self._bottleneck(x, f"dec1_{level}", self._linear(f"dec1_{level}_conv_adj"))
            x = tf.concat([_double(x), skipped[level]], -1)
        return x

    def _separable(self, x: Tensor, name: str) -> Tensor:
        depthwise, pointwise, bias = self._weights[f"{name}_conv"]
        gain, offset = self._norm(name)
        x = tf.nn.depthwise_conv2d(x, _constant(depthwise), (1, 1, 1, 1), "SAME")
        x = _linear(x, _centred(Linear(pointwise[0, 0], bias), gain))
        return tf.nn.gelu(_normalise(x, gain) + _constant(offset))

    def _bottleneck(self, x: Tensor, name: str, adjust: Linear) -> Tensor:
        (depthwise,) = self._weights[f"{name}_depthwise_conv"]
        gain, offset = self._weights[f"{name}_ln"]
        expand, reduce = self._linear(f"{name}_conv_exp"), self._linear(f"{name}_conv_red")
        channels, wide = expand.matrix.shape
        d = _depthwise_7x7(x, depthwise)
        mean = _linear(d, Linear(np.full((channels, 1), 1 / channels), np.zeros(1)))
        d = d - mean
        # Gain and offset are part of the expanding layer; the division by the deviation is not linear.
        merged = Linear(np.diag(gain), offset).then(expand)
        h = tf.nn.gelu(_linear(_normalise(d, np.ones(channels)), merged))
        narrow = adjust.matrix.shape[1]
        if wide * narrow < wide * channels:
            merged = reduce.then(adjust)
            return _linear(h, merged) + _linear(x, Linear(adjust.matrix, np.zeros(narrow)))
        return _linear(_linear(h, reduce) + x, adjust)

    def _heads(self, x: Tensor) -> dict[str, Tensor]:
        maps = {}
        for index, name in enumerate(("pos", "dir", "typ")):
            gain, offset = self._norm(f"head_{index}")
            adjust = self._linear(f"head_{index}_ibc_conv_adj").then(self._linear(f"head_{index}_conv1"))
            h = self._bottleneck(x, f"head_{index}_ibc", _centred(adjust, gain))
            h = _normalise(h, gain) + _constant(offset)
            h = tf.nn.gelu(_linear(h, self._linear(f"head_{index}_conv2")))
            kernel, bias = self._weights[f"head_conv_{name}"]
            h = tf.nn.conv2d(h, _constant(_by_phase(kernel)), 1, "SAME") + _constant(np.tile(bias, 4))
            maps[name] = tf.nn.depth_to_space(h, 2)
        return maps | {"pos": tf.sigmoid(maps["pos"]), "typ": tf.sigmoid(maps["typ"])}

    def _norm(self, name: str) -> tuple[Array, Array]:
        """Gain and offset of a normalisation whose gain is folded away, so that none may be zero.

        The weights hold gains down to 5e-5 (four channels below LEAST_GAIN): the maps stay the same to 1e-4.
        """
        gain, offset = self._weights[f"{name}_ln"]
        return np.where(gain < 0, -1, 1) * np.maximum(np.abs(gain), LEAST_GAIN), offset

    def _linear(self, name: str) -> Linear:
        kernel, bias = self._weights[name]
        return Linear(kernel[0, 0], bias)

    def _conv(self, x: Tensor, name: str, rate: int) -> Tensor:
        kernel, bias = self._weights[name]
        return tf.nn.conv2d(x, _constant(kernel), 1, "SAME", dilations=rate) + _constant(bias)


def _constant(array: Array) -> Tensor:
    return tf.constant(array, tf.float32)


def _linear(x: Tensor, layer: Linear) -> Tensor:
    return tf.nn.conv2d(x, _constant(layer.matrix[None, None]), 1, "SAME") + _constant(layer.bias)


def _centring(channels: int) -> Array:
    return np.eye(channels) - 1 / channels


def _centred(layer: Linear, gain: Array) -> Linear:
    """The layer with the mean over its outputs taken off and the gain of the normalisation put on."""
    return layer.then(Linear(_centring(len(gain)) * gain, np.zeros(len(gain))))


def _normalise(x: Tensor, gain: Array) -> Tensor:
    """Divide centred channels, already times their gain, by their common deviation."""
    channels = len(gain)
    variance = Linear((1 / (channels * gain**2))[:, None], np.full(1, EPSILON))
    return x * tf.math.rsqrt(_linear(tf.square(x), variance))


def _depthwise_7x7(x: Tensor, kernel: Array) -> Tensor:
    """Three depthwise convolutions that add up to the 7x7 one.

    XNNPACK has fast kernels for up to 25 taps: 5.8 ms for these three against 23 ms for the one (144x128x52,
    float, one x86 thread), and 10 ms with TFLite's own int8 kernel.
    """
    rows = ((kernel[2:5], 1), (kernel[1::4], 4), (kernel[0::6], 6))
    parts = [
        tf.raw_ops.DepthwiseConv2dNative(
            input=x, filter=_constant(part), strides=[1] * 4, padding="SAME", dilations=[1, step, 1, 1]
        )
        for part, step in rows
    ]
    return parts[0] + parts[1] + parts[2]


def _halve(x: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    peaks = tf.nn.max_pool2d(x[..., :half], 2, 2, "SAME")
    means = tf.nn.avg_pool2d(x[..., half:], 2, 2, "SAME")
    return tf.concat([peaks, means], -1)


def _double(x: Tensor) -> Tensor:
    # The resize operators of TFLite carry the size of the result; this one does not.
    return tf.nn.depth_to_space(tf.concat([x, x, x, x], -1), 2)


def _by_phase(kernel: Array) -> Array:
    """A 5x5 kernel on an image doubled by nearest neighbour, as a 3x3 kernel on the image itself.

    Output channels: those of the kernel for each of the 2x2 pixels, row by row (as depth_to_space has it).
    """
    phases = np.zeros((3, 3, kernel.shape[2], 2, 2, kernel.shape[3]))
    for row, column, down, right in np.ndindex(2, 2, 5, 5):
        phases[(row + down) // 2, (column + right) // 2, :, row, column] += kernel[down, right]
    return phases.reshape(3, 3, kernel.shape[2], -1)


def _on_blocks(kernel: Array) -> Array:
    """A 5x5 kernel on one channel, as a 3x3 kernel from the 2x2 blocks of space_to_depth to such blocks."""
    blocks = np.zeros((3, 3, 2, 2, 2, 2, kernel.shape[3]))
    for row, column, down, right in np.ndindex(2, 2, 5, 5):
        y, x = row + down, column + right
        blocks[y // 2, x // 2, y % 2, x % 2, row, column] = kernel[down, right, 0]
    return blocks.reshape(3, 3, 4, -1)
