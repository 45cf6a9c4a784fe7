"""Build `finger-score.tflite`: train on the committed comparisons and convert to int8."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from inference.build.comparison_file import FILE, load
from inference.build.context import BuildContext
from inference.build.head_training import HIDDEN, MEMBERS, Head
from inference.build.score_head import FEATURES, SEED, trained_without
from inference.models.card import Card, CardSource, CardTensor


class _Network(tf.Module):  # type: ignore[misc]
    def __init__(self, head: Head) -> None:
        super().__init__()
        # Side by side in one layer each: the outer weights of one perceptron are 0 for the others.
        inner = head.inner.transpose(1, 0, 2).reshape(FEATURES, MEMBERS * HIDDEN)
        outer = np.zeros((MEMBERS * HIDDEN, MEMBERS))
        for member in range(MEMBERS):
            outer[member * HIDDEN : (member + 1) * HIDDEN, member] = head.outer[member, :, 0]
        self._inner = tf.constant(inner, tf.float32)
        self._inner_bias = tf.constant(head.inner_bias.reshape(-1), tf.float32)
        self._outer = tf.constant(outer, tf.float32)
        self._outer_bias = tf.constant(head.outer_bias.reshape(-1), tf.float32)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((1, FEATURES), tf.float32, name="features")])  # type: ignore[misc,untyped-decorator,unused-ignore]
    def run(self, features: Any) -> dict[str, Any]:
        hidden = tf.nn.relu(tf.matmul(features, self._inner) + self._inner_bias)
        return {"scores": tf.matmul(hidden, self._outer) + self._outer_bias}


def build(context: BuildContext) -> None:
    """Train, convert with int8 input, weights, activations and output, and write model and card."""
    parts = load()
    network = _Network(trained_without(parts, None))
    rows = np.concatenate([part.features for part in parts])
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(network, folder, signatures={"run": network.run})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _examples(rows)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        # By channel it would be FULLY_CONNECTED version 12, which tflite-runtime 2.14 refuses.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        model = bytes(converter.convert())
    context.finish(_card(), model)


def _examples(rows: np.ndarray) -> Iterator[dict[str, Any]]:
    # The ends of the input's range first, so that one step of it is 1/127 whatever is drawn.
    for end in (-1.0, 1.0):
        yield {"features": np.full((1, FEATURES), end, np.float32)}
    for place in np.random.default_rng(SEED).permutation(len(rows))[:2000]:
        yield {"features": rows[None, place].astype(np.float32)}


def _card() -> Card:
    return Card(
        name="finger-score",
        task="score of a fingerprint comparison",
        licence="Apache-2.0, this project",
        sha256="",
        size_bytes=0,
        quantisation="full int8: input, weights per tensor, activations and output",
        built_with=f"tensorflow {tf.__version__}; trained by inference/build/head_training.py, seed {SEED}",
        source=CardSource(
            "this repository",
            "aidpost",
            "0.1.0",
            "inference/build/finger_comparisons.npz",
            hashlib.sha256(FILE.read_bytes()).hexdigest(),
        ),
        inputs=(
            CardTensor(
                "features", (1, FEATURES), "int8", "of one comparison, -1 to 1: inference/finger/score.py"
            ),
        ),
        outputs=(
            CardTensor(
                "scores", (1, MEMBERS), "int8", "log-odds of a genuine comparison; their mean is the score"
            ),
        ),
        calibration=(
            "trained on comparisons of FVC2002 DB1_B and DB3_B, FVC2004 DB1_B (free competition data) and "
            "UPEK (published with an MIT-licensed repository), as R503 and AS608 send them and cut to parts",
            "and of 60 synthetic fingers of inference/synthesis (Apache-2.0, this project); "
            "no image and no minutia is kept, only eight numbers for each comparison",
        ),
        accuracy=ACCURACY,
    )


ACCURACY = (
    "`make finger-held-out`: trained without the set that is tested (with it), EER %, 192x192 at 4 bits: "
    "FVC2002 DB1_B 5.4 (5.4), DB3_B 0.4 (0.4), FVC2004 DB1_B 4.3 (3.9), UPEK 0.0 (0.0)",
    "the same at 256x288: 0.0 (0.0), 0.0 (0.0), 1.8 (1.1), 0.0 (0.0); "
    "FNMR % at FMR 1e-3: 0.0 (0.0), 0.0 (0.0), 3.6 (1.8), 0.0 (0.0)",
    "against the float network: mean difference of scores 0.02, of a range of 30; "
    "no rate of these sets changes by more than one comparison",
    "each set has 10 or 16 fingers, so a zero bounds FNMR at about 1 % only; "
    "the features were chosen on these four sets",
)
