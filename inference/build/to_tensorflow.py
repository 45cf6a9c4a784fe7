"""Rebuild an ONNX graph (channels first) as a TensorFlow function (channels last), op by op.

Only the operations of the two face networks are here; any other stops the build.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from inference.build.onnx_graph import Graph, Node

Tensor = Any


def run_graph(graph: Graph, image: Tensor) -> dict[str, Tensor]:
    """Run `graph` on `image`, shape (1, height, width, channels); returns its outputs by name."""
    tensors: dict[str, Tensor] = {graph.input: image}
    for node in graph.nodes:
        tensors[node.output] = OPERATIONS[node.operation](node, tensors, graph.constants)
    return {name: tensors[name] for name in graph.outputs}


Constants = Mapping[str, NDArray[Any]]
Tensors = Mapping[str, Tensor]


def _convolution(node: Node, tensors: Tensors, constants: Constants) -> Tensor:
    image, kernel = tensors[node.inputs[0]], constants[node.inputs[1]]
    strides, pads = node.attributes["strides"], node.attributes["pads"]
    bias = constants[node.inputs[2]] if len(node.inputs) == 3 else None
    if any(pads):
        # TensorFlow's SAME pads unevenly at stride 2; ONNX pads as it says.
        same = strides == [1, 1] and pads == [side // 2 for side in kernel.shape[2:]] * 2
        if not same:
            image = tf.pad(image, [[0, 0], [pads[0], pads[2]], [pads[1], pads[3]], [0, 0]])
        padding = "SAME" if same else "VALID"
    else:
        padding = "VALID"
    groups = node.attributes["group"]
    if groups == 1:
        result = tf.nn.conv2d(image, kernel.transpose(2, 3, 1, 0), strides, padding)
    elif groups == kernel.shape[0] and kernel.shape[1] == 1:
        result = tf.nn.depthwise_conv2d(image, kernel.transpose(2, 3, 0, 1), [1, *strides, 1], padding)
    else:
        raise NotImplementedError(f"convolution with {groups} groups and kernel {kernel.shape}")
    return result if bias is None else tf.nn.bias_add(result, bias)


def _batch_normalisation(node: Node, tensors: Tensors, constants: Constants) -> Tensor:
    gamma, beta, mean, variance = (constants[name].astype(np.float64) for name in node.inputs[1:])
    scale = gamma / np.sqrt(variance + node.attributes["epsilon"])
    values = tensors[node.inputs[0]]
    result = values * scale.astype(np.float32) + (beta - mean * scale).astype(np.float32)
    # What stood in rows (after a fully connected layer) is (1, 1, 1, channels) here.
    return tf.reshape(result, [1, -1]) if values.shape[1:3] == [1, 1] else result


def _prelu(node: Node, tensors: Tensors, constants: Constants) -> Tensor:
    image, slope = tensors[node.inputs[0]], constants[node.inputs[1]].reshape(1, 1, 1, -1)
    # The converter knows this form and makes one PRELU of it.
    return tf.nn.relu(image) - slope * tf.nn.relu(-image)


def _max_pool(node: Node, tensors: Tensors, _: Constants) -> Tensor:
    return tf.nn.max_pool2d(
        tensors[node.inputs[0]], node.attributes["kernel_shape"], node.attributes["strides"], "VALID"
    )


def _double_size(node: Node, tensors: Tensors, _: Constants) -> Tensor:
    image = tensors[node.inputs[0]]
    return tf.image.resize(image, [2 * side for side in image.shape[1:3]], method="nearest")


def _arithmetic(operation: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def apply(node: Node, tensors: Tensors, constants: Constants) -> Tensor:
        return operation(*(tensors[name] if name in tensors else constants[name] for name in node.inputs))

    return apply


def _fully_connected(node: Node, tensors: Tensors, constants: Constants) -> Tensor:
    """A convolution that covers the whole image: the same sums as a matrix product.

    The converter writes a quantised matrix product by channel as FULLY_CONNECTED version 12, which
    tflite-runtime 2.14 refuses; it takes the convolution.
    """
    image, weights, bias = tensors[node.inputs[0]], *(constants[name] for name in node.inputs[1:])
    _, height, width, channels = image.shape
    kernel = weights.reshape(-1, channels, height, width).transpose(2, 3, 1, 0)
    return tf.nn.bias_add(tf.nn.conv2d(image, np.ascontiguousarray(kernel), [1, 1], "VALID"), bias)


def _rows(node: Node, tensors: Tensors, _: Constants) -> Tensor:
    image = tensors[node.inputs[0]]
    return tf.reshape(image, [1, -1, image.shape[-1]])


def _same(node: Node, tensors: Tensors, _: Constants) -> Tensor:
    return tensors[node.inputs[0]]


def _sigmoid(node: Node, tensors: Tensors, _: Constants) -> Tensor:
    return tf.sigmoid(tensors[node.inputs[0]])


def _relu(node: Node, tensors: Tensors, _: Constants) -> Tensor:
    return tf.nn.relu(tensors[node.inputs[0]])


OPERATIONS: Mapping[str, Callable[[Node, Tensors, Constants], Tensor]] = {
    "Add": _arithmetic(tf.add),
    "BatchNormalization": _batch_normalisation,
    "Conv": _convolution,
    "Dropout": _same,
    "Flatten": _same,  # the fully connected layer after it flattens in its own order
    "Gemm": _fully_connected,
    "MaxPool": _max_pool,
    "Mul": _arithmetic(tf.multiply),
    "PRelu": _prelu,
    "Relu": _relu,
    "Reshape": _rows,  # (1, height, width, values) to (1, places, values)
    "Resize": _double_size,
    "Sigmoid": _sigmoid,
    "Sub": _arithmetic(tf.subtract),
    "Transpose": _same,  # channels are last already
}
