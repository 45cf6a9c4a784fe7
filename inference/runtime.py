"""The TFLite runtimes behind one class; the only home of LiteRT and tflite-runtime.

`litert` is Google's ai-edge-litert, the successor, for every Python. `tflite-runtime` 2.14 is the last of the
old line: Python 3.11 alone, and built against numpy 1, so it lives in an environment of its own
(`make tflite-runtime-env`). Which one runs is configured; there is no fall-back from one to the other:
int8 results differ between them and templates name the runtime that made them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, unique
from pathlib import Path
from typing import Any, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from inference.errors import ModelRefused, RuntimeUnavailable
from inference.standard_error import without_line

Floats: TypeAlias = NDArray[np.float32]

OPEN = -1
"""A side of a tensor that the model leaves to the caller."""

GREETING = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
"""Both runtimes write it to the standard error once a process, and offer no setting for it."""


@unique
class RuntimeName(Enum):
    """The runtimes that a configuration can name."""

    LITERT = "litert"
    TFLITE_RUNTIME = "tflite-runtime"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model, as the file itself declares it.

    shape: a side that the model leaves open is -1.
    scale, zero_point: real value = (stored value - zero_point) * scale; 0.0 and 0 for a float tensor.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int


class Engine:
    """One loaded model with its working memory. It belongs to one thread; `load` makes it."""

    def __init__(self, interpreter: Any, runtime: RuntimeName, anew: Callable[[], Any] | None = None) -> None:
        """anew: makes the interpreter again, for one that is given up whenever its samples are forgotten."""
        # By signature, never by index: the outputs of a model without names come out in any order.
        run_signature = interpreter.get_signature_runner()
        self._run_signature: Any = run_signature
        self.runtime = runtime
        self.inputs = _specs(run_signature.get_input_details())
        self.outputs = _specs(run_signature.get_output_details())
        self._anew = anew if any(OPEN in spec.shape for spec in self.inputs.values()) else None
        self._largest_shapes: dict[str, tuple[int, ...]] = {}

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, Floats]:
        """Run the model once: real values in, real values out, whatever the file stores them as.

        inputs: name to array in the declared shape; uint8 and float32 both mean the values themselves, so
        that a pixel 128 and a float 128.0 are the same. Raises `ValueError` for wrong names or shapes.
        """
        if inputs.keys() != self.inputs.keys():
            raise ValueError(f"the model takes the inputs {sorted(self.inputs)}, not {sorted(inputs)}")
        stored = {name: self._store(array, self.inputs[name]) for name, array in inputs.items()}
        if self._run_signature is None and self._anew is not None:
            self._run_signature = self._anew().get_signature_runner()
        # A runner with open sides resizes its tensors to what it is given.
        results = self._run_signature(**stored)
        for name, array in stored.items():
            earlier = self._largest_shapes.get(name, array.shape)
            self._largest_shapes[name] = tuple(max(sides) for sides in zip(earlier, array.shape, strict=True))
            if not np.may_share_memory(array, inputs[name]):
                array[...] = 0
        return {name: _restore(results[name], spec) for name, spec in self.outputs.items()}

    def forget(self) -> None:
        """Run once on zeros, so that the working memory holds nothing of the samples since the last time.

        It never shrinks, so a small last sample would leave the rest of a larger one before it. For the same
        reason a model with open sides is given up then, and made anew for the next sample: the minutiae
        network takes 5 MB before its first picture, 70 MB after one of 320 x 320, and 15 ms to make.
        """
        if not self._largest_shapes:
            return
        self.run({name: np.zeros(shape, np.float32) for name, shape in self._largest_shapes.items()})
        self._largest_shapes.clear()
        if self._anew is not None:
            self._run_signature = None

    def _store(self, array: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
        if not _fits(array.shape, spec.shape):
            raise ValueError(f"input {spec.name} has shape {spec.shape}, not {array.shape}")
        if not spec.scale:
            return np.ascontiguousarray(array, spec.dtype)
        return _quantise(array, spec)


def load(model: bytes | Path, runtime: RuntimeName, threads: int = 1) -> Engine:
    """Make an engine of a model: its bytes, or its file, which is mapped and takes no memory of its own.

    Raises `RuntimeUnavailable` when the named runtime is not installed, and `ModelRefused` when the bytes are
    no model that it can run.
    """
    interpreter_class = _interpreter_class(runtime)
    # tflite-runtime does not verify the flatbuffer and crashes on what is no TFLite file. (A damaged one is
    # held back by the digest in the catalogue.)
    if _start(model)[4:8] != b"TFL3":
        raise ModelRefused("the file is no TFLite model; build the models anew with `make models`")
    source = {"model_path": str(model)} if isinstance(model, Path) else {"model_content": model}

    def anew() -> Any:
        interpreter = interpreter_class(**source, num_threads=threads)
        with without_line(GREETING):
            interpreter.allocate_tensors()
        return interpreter

    try:
        return Engine(anew(), runtime, anew)
    except (ValueError, RuntimeError) as fault:
        complaint = " ".join(str(fault).split())
        raise ModelRefused(
            f"{runtime.value} cannot run the model ({complaint}); build the models anew with `make models`"
        ) from fault


def _start(model: bytes | Path) -> bytes:
    if isinstance(model, bytes):
        return model[:8]
    with model.open("rb") as file:
        return file.read(8)


def _interpreter_class(runtime: RuntimeName) -> Any:
    match runtime:
        case RuntimeName.LITERT:
            try:
                from ai_edge_litert.interpreter import Interpreter
            except ImportError as fault:
                raise RuntimeUnavailable(
                    "the TFLite runtime litert is not installed: run `make setup` (pip: ai-edge-litert)"
                ) from fault
            return Interpreter
        case RuntimeName.TFLITE_RUNTIME:
            try:
                from tflite_runtime.interpreter import Interpreter as OldInterpreter
            except ImportError as fault:
                raise RuntimeUnavailable(
                    "the TFLite runtime tflite-runtime is not installed: it needs Python 3.11 and numpy 1, "
                    "so run `make tflite-runtime-env` and use that environment, or configure litert"
                ) from fault
            return OldInterpreter
        case _:
            assert_never(runtime)


def _fits(shape: tuple[int, ...], declared: tuple[int, ...]) -> bool:
    return len(shape) == len(declared) and all(
        side == stated or (stated == OPEN and side > 0) for side, stated in zip(shape, declared, strict=True)
    )


def _specs(details: Mapping[str, Any]) -> dict[str, TensorSpec]:
    specs = {}
    for name, detail in details.items():
        scale, zero_point = detail["quantization"]
        shape = tuple(int(side) for side in detail["shape_signature"])
        specs[name] = TensorSpec(name, shape, np.dtype(detail["dtype"]).name, float(scale), int(zero_point))
    return specs


def _quantise(array: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    limits = np.iinfo(spec.dtype)
    steps = np.rint(array.astype(np.float32) / np.float32(spec.scale)) + spec.zero_point
    stored: NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(spec.dtype)
    return stored


def _restore(array: NDArray[Any], spec: TensorSpec) -> Floats:
    if not spec.scale:
        return np.asarray(array, np.float32)
    restored: Floats = (array.astype(np.float32) - np.float32(spec.zero_point)) * np.float32(spec.scale)
    return restored
