"""Read an ONNX file into plain nodes and constants, with its block-quantised weights folded into floats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

Constant = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Node:
    """One operation; optional inputs that are absent are left out."""

    operation: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in running order, constants by name, and the names of what goes in and comes out."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Constant]
    input: str
    outputs: tuple[str, ...]


def read_graph(path: Path) -> Graph:
    """Read the graph of a model with one input; what depends on constants alone is computed here."""
    proto = onnx.load(str(path)).graph
    constants: dict[str, Constant] = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.initializer
    }
    # Older files list their weights among the inputs; what a node or an initializer makes is no input.
    made = constants.keys() | {name for node in proto.node for name in node.output}
    read = {name for node in proto.node for name in node.input}
    inputs = [item.name for item in proto.input if item.name not in made and item.name in read]
    nodes = []
    for raw in proto.node:
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in raw.attribute}
        node = Node(raw.op_type, tuple(name for name in raw.input if name), raw.output[0], attributes)
        folded = _fold(node, constants)
        if folded is None:
            nodes.append(node)
        else:
            constants[node.output] = folded
    if len(inputs) != 1:
        raise ValueError(f"{path.name} has the inputs {inputs}; one is expected")
    return Graph(tuple(nodes), constants, inputs[0], tuple(item.name for item in proto.output))


def _fold(node: Node, constants: Mapping[str, Constant]) -> Constant | None:
    if node.operation == "Constant":
        value: Constant = onnx.numpy_helper.to_array(node.attributes["value"])
        return value
    if not all(name in constants for name in node.inputs):
        return None
    arrays = [constants[name] for name in node.inputs]
    if node.operation == "DequantizeLinear":
        axis, block = node.attributes["axis"], node.attributes["block_size"]
        return dequantise_blocks(arrays[0], arrays[1], arrays[2], axis, block)
    if node.operation == "Reshape":
        return arrays[0].reshape(arrays[1])
    return None


def dequantise_blocks(
    stored: Constant, scale: Constant, zero_point: Constant, axis: int, block: int
) -> NDArray[np.float32]:
    """Undo DequantizeLinear with `block_size`: each `block` values along `axis` share scale and zero."""

    def spread(array: Constant) -> NDArray[np.float32]:
        wide = np.repeat(array.astype(np.float32), block, axis=axis)
        return np.take(wide, np.arange(stored.shape[axis]), axis=axis)

    values: NDArray[np.float32] = (stored.astype(np.float32) - spread(zero_point)) * spread(scale)
    return values
