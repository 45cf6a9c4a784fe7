"""Convert an ONNX network into a TFLite file with int8 weights and named inputs and outputs."""

from __future__ import annotations

import tempfile
from typing import Any

import tensorflow as tf

from inference.build.onnx_graph import Graph
from inference.build.to_tensorflow import run_graph
from inference.build.weight_quantisation import quantise_convolutions

# All convolutions but the first, which sees the image itself, and the narrow heads of YuNet. The depthwise
# ones are 0.5 % of SFace's weights, and int8 takes them out of XNNPACK (10.4 against 8.2 ms for one face).
LEAST_DEPTH, LEAST_OUTPUTS = 32, 32


class _Network(tf.Module):  # type: ignore[misc]
    def __init__(self, graph: Graph, side_px: int, names: dict[str, str]) -> None:
        super().__init__()
        self._graph = graph
        self._names = names
        image = tf.TensorSpec((1, side_px, side_px, 3), tf.float32, name="image")
        self.run = tf.function(self._run, autograph=False, input_signature=[image])

    def _run(self, image: Any) -> dict[str, Any]:
        results = run_graph(self._graph, image)
        return {self._names.get(name, name): result for name, result in results.items()}


def convert(graph: Graph, side_px: int, rename_outputs: dict[str, str], *, keep_float: bool = False) -> bytes:
    """Return the network for square images, input `image`, shape (1, side, side, 3), float32.

    The weights of the convolutions become int8 with one scale per output channel; what flows between the
    layers is float32, quantised inside each convolution as it runs (dynamic range). So no calibration images
    are needed, and nobody's looks set the ranges. keep_float: leave all weights float32, to measure what int8
    costs.
    """
    network = _Network(graph, side_px, rename_outputs)
    with tempfile.TemporaryDirectory() as folder:
        # By way of a SavedModel: only then do the outputs keep their names.
        tf.saved_model.save(network, folder, signatures={"run": network.run})
        model = bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())
    return model if keep_float else quantise_convolutions(model, LEAST_DEPTH, LEAST_OUTPUTS)
