"""Builds tests/data/int8_arithmetic.tflite: `.venv-models/bin/python -m tests.kit.make_int8_model`.

A model whose inputs and outputs are stored as int8, with scales and zero points that differ: left and right,
shape (1, 4), 0 to 10 and -2 to 2; sum and difference.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

TARGET = Path(__file__).parents[1] / "data" / "int8_arithmetic.tflite"
VECTOR = tf.TensorSpec((1, 4), tf.float32)


class Arithmetic(tf.Module):  # type: ignore[misc]
    @tf.function(input_signature=[VECTOR, VECTOR])  # type: ignore[misc,untyped-decorator,unused-ignore]
    def run(self, left: Any, right: Any) -> dict[str, Any]:
        return {"sum": left + right, "difference": left - right}


def examples() -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(1)
    for _ in range(100):
        yield {
            "left": rng.uniform(0, 10, (1, 4)).astype(np.float32),
            "right": rng.uniform(-2, 2, (1, 4)).astype(np.float32),
        }


def main() -> int:
    module = Arithmetic()
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={"run": module.run})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = examples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
        TARGET.write_bytes(converter.convert())
    return 0


if __name__ == "__main__":
    sys.exit(main())
