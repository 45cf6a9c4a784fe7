"""Store the weights of chosen convolutions as int8, one scale for each output channel.

What TFLite calls dynamic-range quantisation, but by choice of operator: the converter's own also takes the
depthwise convolutions, which then fall out of XNNPACK (129 against 109 ms for LEADER at 288x256).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils


def quantise_convolutions(model: bytes, least_depth: int, least_outputs: int) -> bytes:
    """Quantise each CONV_2D with enough inputs to an output and enough outputs, symmetric, per channel."""
    graph = flatbuffer_utils.convert_bytearray_to_object(bytearray(model))
    (subgraph,) = graph.subgraphs
    chosen = set()
    for operator in subgraph.operators:
        code = graph.operatorCodes[operator.opcodeIndex]
        if max(code.builtinCode, code.deprecatedBuiltinCode) == schema.BuiltinOperator.CONV_2D:
            index = int(operator.inputs[1])
            outputs, *kernel = subgraph.tensors[index].shape
            if np.prod(kernel) >= least_depth and outputs >= least_outputs:
                chosen.add(index)
    for index in sorted(chosen):
        _quantise(graph, subgraph.tensors[index])
    return bytes(flatbuffer_utils.convert_object_to_bytearray(graph))


def leave_size_open(model: bytes) -> bytes:
    """Declare height and width of each input and output open, their shape at conversion being the default."""
    graph = flatbuffer_utils.convert_bytearray_to_object(bytearray(model))
    (subgraph,) = graph.subgraphs
    for index in (*subgraph.inputs, *subgraph.outputs):
        tensor = subgraph.tensors[index]
        batch, _, _, channels = tensor.shape
        tensor.shapeSignature = np.array([batch, -1, -1, channels], np.int32)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(graph))


def _quantise(graph: Any, tensor: Any) -> None:
    buffer = graph.buffers[tensor.buffer]
    if sum(other.buffer == tensor.buffer for other in graph.subgraphs[0].tensors) > 1:
        # Two layers with equal weights would share one buffer; neither is worth a special case.
        raise ValueError(f"the weights {tensor.name!r} are shared by two tensors")
    weights = np.frombuffer(bytes(buffer.data), np.float32).reshape(tensor.shape)
    largest = np.abs(weights).max(axis=(1, 2, 3))
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    steps = np.clip(np.rint(weights / scale[:, None, None, None]), -127, 127).astype(np.int8)
    buffer.data = np.frombuffer(steps.tobytes(), np.uint8)
    tensor.type = schema.TensorType.INT8
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = scale
    tensor.quantization.zeroPoint = np.zeros(len(scale), np.int64)
    tensor.quantization.quantizedDimension = 0
